import HTTPTypes
import Hummingbird
import NIOCore

/// The few words that a person sees where the registry cannot send the browser on.
struct CallbackPage: Sendable {
  /// For a token that is not known, and for a tenant that is not: the same page.
  static let unknown = CallbackPage(
    title: "This page is not valid",
    text: "It does not belong to a connection that was begun here. Go back to the app and begin again.")
  /// For an arrival that is recorded, and cannot be sent anywhere with what is known of it.
  static let recorded = CallbackPage(
    title: "Go back to the app", text: "You can close this page. The app shows whether the connection was made.")
  /// For an arrival that could not be recorded.
  static let tryAgain = CallbackPage(
    title: "Please try again", text: "This could not be recorded just now. Reload this page in a moment.")

  /// No cache may keep an answer that belongs to one attempt, and no site behind it may learn its token.
  static let headers: HTTPFields = [
    .cacheControl: "no-store", .referrerPolicy: "no-referrer",
    .xContentTypeOptions: "nosniff",
  ]

  let title: String
  let text: String

  func response(_ status: HTTPResponse.Status) -> Response {
    var headers = Self.headers
    headers[.contentType] = "text/html; charset=utf-8"
    headers[.contentSecurityPolicy] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    if status == .serviceUnavailable { headers[.retryAfter] = "5" }
    let html = """
      <!doctype html>
      <html lang="en">
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title)</title>
      <style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 20vh auto; padding: 0 1rem }</style>
      <h1>\(title)</h1>
      <p>\(text)</p>
      </html>

      """
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: html)))
  }
}
