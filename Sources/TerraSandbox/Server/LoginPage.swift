import Mustache

/// The page on which a person decides: a provider's consent page, or the widget with its providers.
struct LoginPage: Sendable {
  private let login: MustacheTemplate
  private let notice: MustacheTemplate

  /// Parses the templates.
  ///
  /// - Throws: `MustacheTemplate.Error` when a template is malformed.
  init() throws {
    self.login = try MustacheTemplate(string: Self.head + Self.form)
    self.notice = try MustacheTemplate(string: Self.head + "<p>{{message}}</p></main></body></html>")
  }

  /// The page of an attempt that waits for a decision.
  func render(_ attempt: Attempt, environment: SandboxEnvironment) -> String {
    let offered = attempt.providers.isEmpty ? ProviderCatalogue.web + ProviderCatalogue.mobileOnly : attempt.providers
    let mobile = offered.filter { ProviderCatalogue.mobileOnly.contains($0) }
    let web = offered.filter { !ProviderCatalogue.mobileOnly.contains($0) }
    let isWidget = attempt.kind == .widget
    return self.login.render([
      "title": isWidget ? "Connect a device" : "Allow access to \(attempt.resource ?? "")?",
      "tenant": environment.slug, "is_widget": isWidget,
      "web": web.enumerated().map { ["name": $1, "first": $0 == 0] as [String: Any] },
      "mobile": mobile.enumerated().map { ["name": $1, "first": web.isEmpty && $0 == 0] as [String: Any] },
      "has_mobile": !mobile.isEmpty, "is_multi": attempt.isMultiAuth && !attempt.userIDs.isEmpty,
      "connected": attempt.userIDs.count,
    ])
  }

  /// A page that only says something.
  func render(title: String, message: String) -> String {
    self.notice.render(["title": title, "message": message])
  }

  private static let head = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{{title}}</title>
    <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f4f5f7; color: #1b1f24; }
    main { max-width: 34rem; margin: 3rem auto; padding: 2rem; background: #fff; border-radius: 12px; }
    h1 { font-size: 1.4rem; margin-top: 0; }
    fieldset { border: 1px solid #c9ced6; border-radius: 8px; margin: 0 0 1rem; columns: 2; }
    label { display: block; padding: .15rem 0; }
    button { font: inherit; padding: .6rem 1.2rem; margin-right: .5rem; border-radius: 8px; cursor: pointer;
      border: 1px solid #59636e; background: #fff; color: inherit; }
    button.primary { background: #0b5cad; border-color: #0b5cad; color: #fff; }
    button:focus-visible, input:focus-visible { outline: 3px solid #f2a900; outline-offset: 2px; }
    </style>
    </head>
    <body>
    <main>
    <h1>{{title}}</h1>

    """

  private static let form = """
    <p>This is a sandbox. Nothing leaves this machine; the environment is <strong>{{tenant}}</strong>.</p>
    {{#is_multi}}<p>Connected so far: {{connected}}.</p>{{/is_multi}}
    <form method="post">
    {{#is_widget}}
    <fieldset><legend>Provider</legend>
    {{#web}}<label><input type="radio" name="resource" value="{{name}}"{{#first}} checked{{/first}}> {{name}}</label>
    {{/web}}
    {{#has_mobile}}{{#mobile}}<label><input type="radio" name="resource" value="{{name}}"{{#first}} checked{{/first}}>
    {{name}} (on your phone)</label>
    {{/mobile}}{{/has_mobile}}
    </fieldset>
    {{/is_widget}}
    <button class="primary" name="decision" value="approve">Approve</button>
    <button name="decision" value="deny">Deny</button>
    {{#is_multi}}<button name="decision" value="finish">Done</button>{{/is_multi}}
    </form>
    </main>
    </body>
    </html>

    """
}
