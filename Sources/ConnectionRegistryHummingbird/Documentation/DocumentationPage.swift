import ConnectionRegistry
import HTTPTypes

/// The API's documentation for people: one page of HTML without scripts, images or anything from elsewhere.
struct DocumentationPage {
  let operations: [APIOperation]

  /// What the page looks like; the only style that its `Content-Security-Policy` lets in.
  static let style = """
    :root { color-scheme: light dark; --edge: #8886; --soft: #8882 }
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem 4rem }
    code { font: .9em ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: .2em }
    section { border-top: 1px solid var(--edge); margin-top: 2rem }
    h3 code:first-child { font-weight: bold }
    table { border-collapse: collapse; width: 100% }
    th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--edge) }
    nav ul { columns: 2; padding-left: 1.2rem }
    details { margin: .5rem 0 }
    """

  /// The page.
  var html: String {
    let tags = APIOperation.Tag.allCases.filter { tag in operations.contains { $0.tag == tag } }
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Connection registry: API</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      <h1>Connection registry: API</h1>
      <p>Every request carries an API key of one tenant, <code>Authorization: Bearer crk_…</code>, and sees that tenant
      only. Times are RFC 3339 in UTC. Lists are paged: ask again with <code>next_cursor</code> until it is null.
      The same as <a href="/openapi.json">OpenAPI 3.1</a>.</p>
      <nav aria-label="Operations">\(tags.map(contents).joined())</nav>
      <main>\(tags.map(section).joined())\(Self.problems)</main>
      </body>
      </html>

      """
  }

  private func operations(_ tag: APIOperation.Tag) -> [APIOperation] { operations.filter { $0.tag == tag } }

  private func contents(_ tag: APIOperation.Tag) -> String {
    let items = operations(tag).map { "<li><a href=\"#\($0.id)\">\(Self.text($0.summary))</a></li>" }
    return "<h2>\(tag.rawValue)</h2><ul>\(items.joined())</ul>"
  }

  private func section(_ tag: APIOperation.Tag) -> String {
    "<h2>\(tag.rawValue)</h2>" + operations(tag).map(Self.article).joined()
  }

  private static func article(_ operation: APIOperation) -> String {
    var html = """
      <section id="\(operation.id)"><h3>\(text(operation.summary))</h3>
      <p><code>\(operation.method.rawValue)</code> <code>\(text(operation.path))</code></p>
      <p>\(prose(operation.description)) Needs the scope <code>\(operation.scope.rawValue)</code>.</p>
      """
    let parameters = operation.allParameters
    if !parameters.isEmpty {
      let rows = parameters.map { parameter in
        "<tr><td><code>\(text(parameter.name))</code></td><td>\(parameter.place.rawValue)</td>"
          + "<td>\(shape(parameter.schema))</td><td>\(prose(parameter.description))</td></tr>"
      }
      html +=
        "<table><thead><tr><th>Parameter</th><th>In</th><th>Shape</th><th></th></tr></thead>"
        + "<tbody>\(rows.joined())</tbody></table>"
    }
    if let body = operation.body {
      html +=
        "<details open><summary>Body\(operation.bodyIsOptional ? " (may be left out)" : "")</summary>"
        + "\(members(body))</details>"
    }
    html +=
      "<details><summary><code>\(operation.answer.status)</code> \(prose(operation.answer.description))</summary>"
      + "\(operation.answer.schema.map(members) ?? "")</details>"
    let codes = operation.allProblems.map { "<a href=\"#problem-\($0.code)\"><code>\($0.code)</code></a>" }
    return html + "<p>Problems: \(codes.joined(separator: ", ")).</p></section>"
  }

  private static func members(_ schema: APISchema) -> String {
    switch schema.form {
    case .object(let members):
      let rows = members.map { member in
        "<tr><td><code>\(text(member.name))</code></td><td>\(shape(member.schema))\(member.isRequired ? "" : ", optional")"
          + "</td><td>\(prose(member.description))\(nested(member.schema))</td></tr>"
      }
      return "<table><tbody>\(rows.joined())</tbody></table>"
    case .named(_, let inner), .nullable(let inner): return members(inner)
    case .variants(let object, let variants):
      let ways = variants.map { "<li>\(prose($0.inWords))</li>" }
      return members(object) + "<p>These go together:</p><ul>\(ways.joined())</ul>"
    case .list(let element, _): return members(element)
    default: return "<p>\(shape(schema))</p>"
    }
  }

  private static func nested(_ schema: APISchema) -> String {
    switch schema.form {
    case .object: members(schema)
    case .named(_, let inner): nested(inner)
    case .list(let element, _): nested(element)
    default: ""
    }
  }

  private static func shape(_ schema: APISchema) -> String {
    switch schema.form {
    case .choice(let values): values.map { "<code>\(text($0))</code>" }.joined(separator: " ")
    case .text(_, .time): "time"
    case .text(_, .uuid): "id"
    case .text(_, .url): "URL"
    case .integer(let range) where range.lowerBound > .min && range.upperBound < .max:
      "\(range.lowerBound) to \(range.upperBound)"
    case .list(let element, _): "list of " + shape(element)
    case .named(let name, _): text(name)
    default: text(schema.inWords)
    }
  }

  private static var problems: String {
    let rows = ProblemCode.all.map { code in
      "<tr id=\"problem-\(code.code)\"><td><code>\(code.code)</code></td><td>\(code.status)</td>"
        + "<td>\(prose(code.meaning))</td></tr>"
    }
    return """
      <section id="problems"><h2>Problems</h2>
      <p>An error is <code>application/problem+json</code> (RFC 9457). Compare <code>code</code>, which is stable;
      <code>detail</code> is for people, and <code>field</code> names what was wrong.</p>
      <table><thead><tr><th>Code</th><th>Status</th><th>When</th></tr></thead><tbody>\(rows.joined())</tbody></table>
      </section>
      """
  }

  /// Text between backquotes is code.
  private static func prose(_ prose: String) -> String {
    prose.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .map { index, part in index.isMultiple(of: 2) ? text(String(part)) : "<code>\(text(String(part)))</code>" }
      .joined()
  }

  private static func text(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
