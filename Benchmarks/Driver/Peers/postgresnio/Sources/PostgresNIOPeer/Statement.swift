import Foundation
import PostgresNIO

/// The statement of the run, prepared once for each connection by the client itself.
struct Statement: PostgresPreparedStatement {
  static let sql: String = {
    let options = Options(Array(CommandLine.arguments.dropFirst()))
    return (try? String(contentsOfFile: options["statement"], encoding: .utf8)) ?? ""
  }()
  static let tenant = UUID(uuidString: "018f0000-0000-7000-8000-000000000001") ?? UUID()

  typealias Row = String
  let key: String

  func makeBindings() -> PostgresBindings {
    var bindings = PostgresBindings(capacity: 2)
    bindings.append(Self.tenant)
    bindings.append(key)
    return bindings
  }

  func decodeRow(_ row: PostgresRow) throws -> String { try row.decode(String.self) }
}

/// Keys from 1 on, uniformly, by xorshift64*.
struct KeyGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next(upTo limit: UInt64) -> String {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return String(1 + (state &* 0x2545_F491_4F6C_DD1D) % limit)
  }
}
