import ConnectionRegistry

/// Takes in one fresh event after the other.
struct IntakeCaller: Caller {
  let registry: ConnectionRegistry
  var generator: KeyGenerator

  nonisolated(nonsending) mutating func call() async throws {
    try await Work.takeIn(&generator, registry)
  }
}
