import Foundation
import RegistryModel
import RegistryTerra

/// What the headers of a delivery say. Only the signature's is signed, together with the body.
struct WebhookHeaders: Sendable {
  /// A trace id is Terra's to choose; a longer one is cut, so that no header can bloat a row.
  static let maximumTraceBytes = 200

  let signature: Result<TerraSignature, TerraSignatureError>
  let traceID: String?
  let orderingTimestampMilliseconds: Int64?
  /// What is kept of them with a receipt.
  let kept: [String: [String]]

  init(_ headers: [(name: String, value: String)]) {
    do {
      signature = .success(try TerraSignature(headers: headers))
    } catch {
      signature = .failure(error)
    }
    var kept: [String: [String]] = [:]
    for (name, value) in headers {
      let name = name.lowercased()
      guard name.hasPrefix("x-terra-") || name.hasPrefix("terra-") || name == "content-type" || name == "user-agent"
      else { continue }
      if (kept[name]?.count ?? 0) < 4 { kept[name, default: []].append(Self.storable(value)) }
    }
    self.kept = kept
    let trace = kept["x-terra-trace-id"]?.first { !$0.isEmpty }
    self.traceID = trace
    self.orderingTimestampMilliseconds = Instant.orderingTimestampMilliseconds(
      headerValue: kept["x-terra-ordering-timestamp"]?.first)
  }

  private static func storable(_ value: String) -> String {
    String(decoding: value.utf8.lazy.filter { $0 >= 0x20 && $0 != 0x7F }.prefix(maximumTraceBytes), as: UTF8.self)
  }

  var keptJSON: String {
    (try? JSONEncoder().encode(kept)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
