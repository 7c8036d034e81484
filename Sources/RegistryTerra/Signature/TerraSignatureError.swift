/// Why a signature header cannot be used. The description holds nothing of the header.
public enum TerraSignatureError: String, Error, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  /// There is no header, or it is blank.
  case missingHeader
  /// The header has no element `t=…`.
  case missingTimestamp
  /// The last `t` is not 1 to 18 decimal digits.
  case malformedTimestamp
  /// The header has no element `v1=…`.
  case missingSignature
  /// No `v1` is 64 hexadecimal digits.
  case malformedSignature
  /// The header has more `v1` than anybody needs.
  case tooManySignatures

  /// A sentence that says what is wrong with the header, and holds nothing of it.
  public var description: String {
    switch self {
    case .missingHeader: "no signature header: X-Terra-Signature or Terra-Signature must be there"
    case .missingTimestamp: "the signature header has no t: it must be t=<unix seconds>,v1=<hex>"
    case .malformedTimestamp: "t in the signature header is not a whole number of seconds"
    case .missingSignature: "the signature header has no v1: other schemes are not accepted"
    case .malformedSignature: "no v1 in the signature header is 64 hexadecimal digits"
    case .tooManySignatures: "the signature header has more than \(TerraSignature.maximumCandidates) v1"
    }
  }
}
