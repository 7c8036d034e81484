import Foundation

extension Sandbox {
  /// Signs an event, writes it down and hands it over for sending.
  func emit(_ order: WorldChange.EmissionOrder) async {
    guard let environment = await self.world.environment(slug: order.tenant) else { return }
    let body = WebhookBody.whole(order.event.body(environment.generation).bytes)
    await self.emit(order, body: body, type: order.event.type(environment.generation), environment: environment)
  }

  /// Signs a body, writes it down and hands it over for sending.
  func emit(
    _ order: WorldChange.EmissionOrder, body: WebhookBody, type: String, environment: SandboxEnvironment
  ) async {
    let now = self.clock.now().timeIntervalSince1970
    let signedAt = Int64(now.rounded(.down))
    let hasTimestamp = Double.random(in: 0..<1) < self.configuration.delivery.orderingTimestampRate
    let first = Webhook(
      emissionID: identifier(), tenant: order.tenant, body: body, traceID: identifier(),
      terraReference: identifier(),
      secret: order.hasWrongSecret ? environment.wrongSecret : environment.effectiveSecret,
      signedAt: signedAt,
      orderingTimestamp: hasTimestamp && environment.generation == .access
        ? min(Int64(now * 1000), signedAt * 1000 + 999) : nil,
      generation: environment.generation, holdBack: order.holdBack,
      announces: order.announces, follows: order.follows)
    await self.send(first, order: order, type: type, environment: environment, duplicateOf: nil)
    for copy in order.copies {
      let second = Webhook(
        emissionID: identifier(), tenant: first.tenant, body: first.body,
        traceID: copy.hasFreshTraceID ? identifier() : first.traceID, terraReference: first.terraReference,
        secret: first.secret, signedAt: first.signedAt, orderingTimestamp: first.orderingTimestamp,
        generation: first.generation, holdBack: first.holdBack + copy.holdBack)
      await self.send(second, order: order, type: type, environment: environment, duplicateOf: first.emissionID)
    }
    if order.event.kind != .authSuccess, let userID = order.event.connection?.userID {
      await self.world.noteWebhook(tenant: order.tenant, userID: userID, at: Date(timeIntervalSince1970: now))
    }
  }

  private func send(
    _ webhook: Webhook, order: WorldChange.EmissionOrder, type: String, environment: SandboxEnvironment,
    duplicateOf: String?
  ) async {
    let event = order.event
    let namesNobody = event.kind == .authFailure && environment.generation == .access
    let connection = namesNobody ? nil : event.connection
    let isDropped = order.isDropped || environment.webhookURL == nil
    // Without an ordering timestamp an event stands at the end of the second in which it was signed.
    let instant = webhook.orderingTimestamp.map { Double($0) / 1000 } ?? Double(webhook.signedAt) + 0.999_999
    let carriesSession = event.kind == .authSuccess || (event.kind == .authFailure && !namesNobody)
    await self.ledger.append(
      .emission(
        .init(
          emissionID: webhook.emissionID, attemptID: order.attemptID, traceID: webhook.traceID,
          tenant: order.tenant, type: type, eventKind: event.kind.rawValue, userID: connection?.userID,
          oldUserID: event.oldConnection?.userID, referenceID: connection?.referenceID ?? event.referenceID,
          oldReferenceID: event.oldConnection?.referenceID, resource: connection?.resource,
          widgetSessionID: carriesSession ? event.widgetSessionID : nil, signedAt: webhook.signedAt,
          instant: instant, hasRightSecret: !order.hasWrongSecret && !environment.signsWithWrongSecret,
          statusOfEvent: event.status, bodySHA256: webhook.body.sha256(), isDropped: isDropped,
          duplicateOf: duplicateOf, at: self.clock.now().timeIntervalSince1970)))
    if isDropped {
      webhook.announces?.resolve(.success(()))
    } else {
      self.dispatcher.deliver(webhook)
    }
  }
}
