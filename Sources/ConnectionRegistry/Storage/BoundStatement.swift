import RegistryPostgres
import RegistrySQL

/// A named statement with its parameters; its name says what is known of it.
struct BoundStatement: Sendable {
  let named: NamedStatement
  let parameters: [PostgresParameter]
  /// Whether each run of it is planned for the parameters at hand; a prepared one is planned after some runs for
  /// parameters that nobody knows.
  var isPlannedAnew = false

  /// The statement as it is sent, prepared under its own name.
  var postgres: PostgresStatement {
    PostgresStatement(name: isPlannedAnew ? nil : named.name, named.text, parameters)
  }

  /// The statement, to be planned for each run.
  var plannedAnew: BoundStatement {
    var statement = self
    statement.isPlannedAnew = true
    return statement
  }
}

extension NamedStatement {
  /// The statement with its parameters.
  func callAsFunction(_ parameters: PostgresParameter...) -> BoundStatement {
    BoundStatement(named: self, parameters: parameters)
  }
}
