import RegistryPostgres
import Testing

/// A connection string of somebody else's takes nothing of this process's environment.
@Suite struct OwnLoginTests {
  @Test(arguments: [
    ("dbname=terra user=reader", "host"), ("postgres://db.example/terra", "user"), ("", "host, user"),
    ("postgres://reader@db.example/terra", ""), ("hostaddr=10.0.0.1 user=reader password=x", ""),
  ])
  func aStrangersStringMustNameItsOwnLogin(_ text: String, missing: String) throws {
    let settings = PostgresPool.Configuration(text)
    guard !missing.isEmpty else { return try settings.requireOwnLogin() }
    let error = #expect(throws: PostgresError.self) { try settings.requireOwnLogin() }
    #expect(error?.code == .invalidConfiguration)
    #expect("\(try #require(error))".contains("must name \(missing) itself"))
  }
}
