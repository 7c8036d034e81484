/// The cookie by which a browser that comes back is known as the one that began.
///
/// Its value follows from the attempt token, so nothing need be stored. Whoever knows the token can compute it, but can
/// put it only into a browser of their own: a `__Host-` cookie is set by this host alone.
struct BrowserBinding: Sendable, Hashable {
  /// The cookie's name, one per attempt, because a person may have several under way.
  let name: String
  /// The cookie's value.
  let value: String

  init(_ token: AttemptToken) {
    name = "__Host-connect-" + Fingerprint.hex(token.sha256.prefix(8))
    value = Fingerprint.hex(Fingerprint.sha256(of: ["browser of an attempt", token.text]))
  }
}
