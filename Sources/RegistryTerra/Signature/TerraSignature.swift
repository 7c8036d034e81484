/// The signature header of a webhook: `t=<unix seconds>,v1=<hex of HMAC-SHA256>`.
///
/// Read as Terra's own client 1.1.0 reads it: split at commas, white space trimmed, all `v1` collected, other schemes
/// ignored, the last `t` counts. Beyond it, `v1` may be in upper case. The age of `t` is the caller's business.
public struct TerraSignature: Sendable, Hashable {
  /// The most `v1` that a header may have; two are what a rotation needs.
  public static let maximumCandidates = 16
  /// The names of the header, in the order in which they count; to be compared without regard to case.
  public static let headerNames = ["X-Terra-Signature", "Terra-Signature"]

  /// The signed time, in whole seconds since 1970.
  public let timestamp: Int64
  /// The signed time as it stands in the header, which is what was signed.
  let timestampText: String
  /// The signatures: each 32 bytes.
  let candidates: [[UInt8]]

  /// - Parameter headerValues: the values of the header, in order; several count as one, joined with commas.
  /// - Throws: ``TerraSignatureError`` when there is no usable time or signature.
  public init(headerValues: [String]) throws(TerraSignatureError) {
    guard headerValues.contains(where: { !HeaderText.trimmed($0[...]).isEmpty }) else { throw .missingHeader }
    var timestampText: Substring?
    var signatures: [Substring] = []
    for element in headerValues.flatMap({ $0.split(separator: ",") }) {
      let parts = element.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      switch HeaderText.trimmed(parts[0]) {
      case "t": timestampText = HeaderText.trimmed(parts[1])
      case "v1": signatures.append(HeaderText.trimmed(parts[1]))
      default: continue
      }
    }
    guard let timestampText else { throw .missingTimestamp }
    guard let timestamp = DecimalDigits.value(of: timestampText) else { throw .malformedTimestamp }
    guard !signatures.isEmpty else { throw .missingSignature }
    guard signatures.count <= Self.maximumCandidates else { throw .tooManySignatures }
    candidates = signatures.compactMap(Hexadecimal.bytes(of:)).filter { $0.count == 32 }
    guard !candidates.isEmpty else { throw .malformedSignature }
    self.timestamp = timestamp
    self.timestampText = String(timestampText)
  }

  /// Finds the header by its names: `X-Terra-Signature` where it is not blank, else `Terra-Signature`.
  ///
  /// - Parameter headers: all headers of the request, names in any case.
  /// - Throws: ``TerraSignatureError`` when there is no header, or no usable time or signature in it.
  public init(headers: some Sequence<(name: String, value: String)>) throws(TerraSignatureError) {
    var valuesByName: [String: [String]] = [:]
    for (name, value) in headers where !HeaderText.trimmed(value[...]).isEmpty {
      valuesByName[name.lowercased(), default: []].append(value)
    }
    let values = Self.headerNames.lazy.compactMap { valuesByName[$0.lowercased()] }.first
    try self.init(headerValues: values ?? [])
  }
}
