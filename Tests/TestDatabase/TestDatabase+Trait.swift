public import Testing

/// Gives a test a database of its own, ``TestDatabase/current``, and drops it afterwards.
///
/// ```swift
/// @Test(.database) func storesAnEvent() async throws {
///   let connection = try await connect(TestDatabase.current)
/// ```
///
/// On a suite it holds for each of its tests.
public struct DatabaseTrait: TestTrait, SuiteTrait, TestScoping {
  let isMigrated: Bool

  /// Whether a suite hands the trait on to its tests: it does.
  public var isRecursive: Bool { true }

  /// Makes the database, runs the test, and drops the database.
  ///
  /// - Parameters:
  ///   - test: The test.
  ///   - testCase: Its current case; each gets a database of its own.
  ///   - function: Runs it.
  /// - Throws: What the test throws, or that no database could be made.
  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let databases = TestDatabase.shared
    await databases.places.take()
    defer { databases.places.giveBack() }
    let connectionInfo = isMigrated ? try await databases.migratedDatabase() : try await databases.emptyDatabase()
    do {
      try await TestDatabase.$current.withValue(connectionInfo, operation: function)
    } catch {
      try? await TestDatabase.shared.drop(connectionInfo)
      throw error
    }
    try await TestDatabase.shared.drop(connectionInfo)
  }
}

extension Trait where Self == DatabaseTrait {
  /// A database of the test's own, without anything in it.
  public static var database: DatabaseTrait { DatabaseTrait(isMigrated: false) }

  /// A database of the test's own with the product's schema.
  public static var migratedDatabase: DatabaseTrait { DatabaseTrait(isMigrated: true) }
}
