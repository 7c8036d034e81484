extension Sandbox {
  /// The person closes the login page.
  func abandon(_ attempt: Attempt) async throws {
    await self.apply(try await self.world.abandon(attemptID: attempt.attemptID, now: self.clock.now()))
  }

  /// The last connection that came of an attempt.
  func connectionMade(by attempt: Attempt) async -> TerraConnection? {
    guard let userID = await self.world.attempt(id: attempt.attemptID)?.userIDs.last else { return nil }
    return await self.world.connection(tenant: attempt.tenant, userID: userID)
  }

  /// Connects somebody who has nothing to do with an attempt, so that a forger can name that connection.
  ///
  /// A connection of its own, instead of one that happens to be there, keeps the plan independent of the traffic.
  ///
  /// - Returns: the `user_id`; an invented one where another tenant is asked for and there is none.
  func bystander(for attempt: Attempt, resource: String, inOtherTenant: Bool) async throws -> String {
    var tenant = attempt.tenant
    if inOtherTenant {
      guard let neighbour = await self.world.neighbour(of: attempt.tenant) else { return identifier() }
      tenant = neighbour.slug
    }
    return try await self.connectOutsideSession(
      tenant: tenant, referenceID: "bystander-\(attempt.attemptID)", resource: resource)
  }
}
