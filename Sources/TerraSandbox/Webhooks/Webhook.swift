/// One webhook on its way: what is sent, under which signature, and when first.
struct Webhook: Sendable {
  let emissionID: String
  let tenant: String
  let body: WebhookBody
  let traceID: String
  let terraReference: String
  let secret: String
  /// `t` of the first signature, in seconds since 1970.
  let signedAt: Int64
  /// `X-Terra-Ordering-Timestamp`, in milliseconds since 1970.
  let orderingTimestamp: Int64?
  let generation: SandboxGeneration
  /// How long the first try waits, in seconds.
  let holdBack: Double
  /// Told when the first try is over.
  var announces: StartupSignal<Void>?
  /// Waited for before anything else.
  var follows: StartupSignal<Void>?

  /// The headers of one try.
  func headers(signature: String) -> [(String, String)] {
    var headers = [
      ("content-type", "application/json"), ("X-Terra-Trace-Id", self.traceID),
      ("terra-reference", self.terraReference),
    ]
    switch self.generation {
    case .legacy: headers.append(("terra-signature", signature))
    case .access: headers += [("X-Terra-Signature", signature), ("Terra-Signature", signature)]
    }
    if let orderingTimestamp { headers.append(("X-Terra-Ordering-Timestamp", String(orderingTimestamp))) }
    return headers
  }
}
