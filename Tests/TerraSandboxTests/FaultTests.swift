import TerraSandbox
import Testing

@Suite("A fault of the webhook")
struct WebhookFaultTests {
  @Test("none: one event, one callback, one live connection", arguments: AttemptKind.allCases)
  func none(kind: AttemptKind) async throws {
    let story = try await FaultStory.tell(nil, kind: kind)
    #expect(story.attempt?.fault == nil)
    #expect(story.emissions.count == 1 && story.deliveries.count == 1 && story.callbacks.count == 1)
    #expect(story.outcomes.map(\.outcome) == [.approved])
    let callback = try #require(story.callbacks.first)
    #expect(callback.claimedUserID == story.auth?.userID && callback.isSuccess && callback.status == 303)
    #expect(callback.tokenSHA256 == CallbackURL(story.attempt?.successURL ?? "").tokenSHA256)
    #expect(story.live().map(\.userID) == [story.auth?.userID])
    #expect(story.auth?.widgetSessionID == story.attempt?.terraSessionID)
  }

  @Test("dropped: emitted, never sent")
  func dropped() async throws {
    let story = try await FaultStory.tell(.webhookDropped)
    #expect(story.auth?.isDropped == true)
    #expect(story.arrivals.isEmpty && story.deliveries.isEmpty)
    #expect(story.live().count == 1, "Terra holds the connection all the same")
  }

  @Test("duplicated: the same body and t, with the same or a fresh trace id")
  func duplicated() async throws {
    for (fault, isFresh) in [(SandboxFault.webhookDuplicated, false), (.webhookDuplicatedNewTrace, true)] {
      let story = try await FaultStory.tell(fault)
      #expect(story.arrivals == ["auth", "auth"])
      let auth = try #require(story.auth)
      let copy = try #require(story.emissions.first { $0.duplicateOf == auth.emissionID })
      #expect(copy.bodySHA256 == auth.bodySHA256 && copy.signedAt == auth.signedAt)
      #expect((copy.traceID != auth.traceID) == isFresh)
    }
  }

  @Test("reordered: a later event of the connection arrives first")
  func reordered() async throws {
    let story = try await FaultStory.tell(.webhookReordered, clock: WallClock(), grace: 3)
    #expect(story.arrivals == ["permission_change", "auth"])
    let change = try #require(story.emissions.first { $0.eventKind == "permission_change" })
    #expect(change.at > story.auth?.at ?? .infinity)
  }

  @Test(
    "delayed: below the grace, past it, past the horizon",
    arguments: [
      (SandboxFault.webhookDelayedSeconds, 0.05, 0.35), (.webhookDelayedHours, 1.6, 4.2),
      (.webhookPastHorizon, 7.5, 8.1),
    ])
  func delayed(fault: SandboxFault, least: Double, most: Double) async throws {
    for seed in 1...8 {
      let story = try await FaultStory.tell(fault, seed: UInt64(seed))
      let lateness = try #require(story.lateness)
      #expect(lateness >= least - 0.001 && lateness <= most + 0.001, "seed \(seed)")
    }
  }

  @Test("signed with a wrong secret: refused at every try")
  func wrongSecret() async throws {
    let story = try await FaultStory.tell(.webhookWrongSecret, registry: RegistryDouble(webhookStatus: { _ in 401 }))
    #expect(story.auth?.hasRightSecret == false)
    #expect(story.deliveries.map(\.status) == [401, 401, 401])
  }
}

@Suite("A fault of the redirect")
struct RedirectFaultTests {
  @Test("lost: no callback at all")
  func lost() async throws {
    let story = try await FaultStory.tell(.redirectLost)
    #expect(story.callbacks.isEmpty && story.visit.finalURL == nil)
    #expect(story.arrivals == ["auth"])
  }

  @Test("reloaded: the same query two or three times")
  func reloaded() async throws {
    var counts: Set<Int> = []
    for seed in 1...8 {
      let story = try await FaultStory.tell(.redirectReloaded, seed: UInt64(seed))
      #expect(Set(story.visit.arrivals.map(\.url)).count == 1)
      counts.insert(story.callbacks.count)
    }
    #expect(counts == [2, 3])
  }

  @Test("altered: another reference_id or resource, everything else honest")
  func altered() async throws {
    let reference = try #require(try await FaultStory.tell(.redirectAlteredReference).callbacks.first)
    #expect(reference.claimedReferenceID != "person-1" && reference.claimedReferenceID != nil)
    #expect(reference.claimedResource == "OURA" && reference.fault == "redirect_altered_reference")
    let story = try await FaultStory.tell(.redirectAlteredResource, kind: .widget)
    let resource = try #require(story.callbacks.first)
    #expect(resource.claimedResource != "OURA" && resource.claimedReferenceID == "person-1")
    #expect(resource.claimedUserID == story.auth?.userID)
  }

  @Test("failure after success: the failure URL alone, although the event says success")
  func failure() async throws {
    let story = try await FaultStory.tell(.redirectFailureAfterSuccess)
    #expect(story.callbacks.map(\.isSuccess) == [false])
    #expect(story.visit.arrivals.first?.url.contains("/failure?") == true)
    #expect(story.auth?.userID != nil && story.live().count == 1)
  }

  @Test("forged: an unknown token and an invented user_id, beside the honest callback")
  func forged() async throws {
    let story = try await FaultStory.tell(.forgedToken)
    let honest = try #require(story.callbacks.first { $0.fault == nil })
    let forged = try #require(story.callbacks.first { $0.fault == "forged_token" })
    #expect(story.callbacks.count == 2)
    #expect(forged.tokenSHA256 != honest.tokenSHA256)
    #expect(!story.emissions.contains { $0.userID == forged.claimedUserID })
    #expect(CallbackURL(story.visit.arrivals.first { $0.fault != nil }?.url ?? "").token.count == 32)
  }

  @Test("stolen: this attempt's token and the user_id of another app user of the tenant")
  func stolen() async throws {
    let story = try await FaultStory.tell(.stolenToken, kind: .widget)
    let forged = try #require(story.callbacks.first { $0.fault == "stolen_token" })
    let honest = try #require(story.callbacks.first { $0.fault == nil })
    #expect(forged.tokenSHA256 == honest.tokenSHA256 && forged.claimedUserID != honest.claimedUserID)
    #expect(forged.claimedReferenceID == "person-1" && forged.claimedResource == "OURA")
    let named = try #require(story.emissions.first { $0.userID == forged.claimedUserID })
    #expect(named.tenant == "acme" && named.referenceID != "person-1")
  }

  @Test("cross-tenant: this attempt's token and the user_id of another tenant")
  func crossTenant() async throws {
    let story = try await FaultStory.tell(.forgedCrossTenant, slugs: ["acme", "globex"])
    let forged = try #require(story.callbacks.first { $0.fault == "forged_cross_tenant" })
    #expect(story.callbacks.count == 2)
    let named = try #require(story.emissions.first { $0.userID == forged.claimedUserID })
    #expect(named.tenant == "globex" && forged.tenant == "acme")
    #expect(story.live(tenant: "globex").map(\.userID) == [forged.claimedUserID])
  }
}

@Suite("What a person may do")
struct PersonFaultTests {
  @Test("denial: a failure event and the failure callback", arguments: SandboxGeneration.allCases)
  func denial(generation: SandboxGeneration) async throws {
    let story = try await FaultStory.tell(.denial, generation: generation)
    #expect(story.outcomes.map(\.outcome) == [.denied])
    #expect(story.callbacks.map(\.isSuccess) == [false])
    let failure = try #require(story.emissions.first)
    #expect(failure.eventKind == "auth_failure" && failure.referenceID == "person-1")
    #expect((failure.userID != nil) == (generation == .legacy), "the newer generation names no connection")
    #expect(story.live().isEmpty)
  }

  @Test("abandonment: nothing is ever heard of it")
  func abandonment() async throws {
    let story = try await FaultStory.tell(.abandonment)
    #expect(story.outcomes.map(\.outcome) == [.abandoned])
    #expect(story.callbacks.isEmpty && story.emissions.isEmpty)
  }

  @Test("mobile hand-over: the success URL without a user_id, and no event")
  func handover() async throws {
    let story = try await FaultStory.tell(.mobileHandover, kind: .widget)
    #expect(story.outcomes.map(\.outcome) == [.handedOver])
    let callback = try #require(story.callbacks.first)
    #expect(callback.isSuccess && callback.claimedUserID == nil && callback.claimedResource == "APPLE")
    #expect(story.emissions.isEmpty && story.live().isEmpty)
  }
}

@Suite("What becomes of a connection")
struct ConnectionFaultTests {
  @Test("re-authenticated in either order: auth and user_reauth, the old id ended")
  func reauth() async throws {
    for (fault, order) in [
      (SandboxFault.reauthAuthFirst, ["auth", "user_reauth"]), (.reauthReauthFirst, ["user_reauth", "auth"]),
    ] {
      let story = try await FaultStory.tell(fault, clock: WallClock())
      let reauth = try #require(story.emissions.first { $0.eventKind == "user_reauth" })
      #expect(reauth.userID == story.auth?.userID && reauth.referenceID == "person-1")
      let old = try #require(story.emissions.first { $0.userID == reauth.oldUserID })
      #expect(old.eventKind == "auth_success" && old.referenceID == "person-1" && old.widgetSessionID == nil)
      #expect(story.live().map(\.userID) == [reauth.userID])
      let deliveries = story.deliveries.sorted { $0.at < $1.at }.map(\.emissionID)
      let mine = deliveries.compactMap { id in story.emissions.first { $0.emissionID == id } }
        .filter { $0.attemptID != nil }
      #expect(mine.map(\.type) == order)
    }
  }

  @Test("re-authenticated with an old id that is unknown or null")
  func strangeReauth() async throws {
    let unknown = try await FaultStory.tell(.reauthUnknownOld)
    let reauth = try #require(unknown.emissions.first { $0.eventKind == "user_reauth" })
    #expect(reauth.oldUserID != nil && !unknown.emissions.contains { $0.userID == reauth.oldUserID })
    let null = try await FaultStory.tell(.reauthNullOld)
    let second = try #require(null.emissions.first { $0.eventKind == "user_reauth" })
    #expect(second.oldUserID == nil && second.userID == null.auth?.userID)
  }

  @Test("shared: replaced on the legacy generation, both kept on the newer one")
  func shared() async throws {
    let legacy = try await FaultStory.tell(.sharedAccount, generation: .legacy)
    let reauth = try #require(legacy.emissions.first { $0.eventKind == "user_reauth" })
    #expect(reauth.referenceID == "person-1" && reauth.oldReferenceID != "person-1" && reauth.oldReferenceID != nil)
    #expect(legacy.live().map(\.userID) == [reauth.userID])
    let access = try await FaultStory.tell(.sharedAccount, generation: .access)
    #expect(!access.emissions.contains { $0.eventKind == "user_reauth" })
    #expect(access.live().count == 2)
  }

  @Test("a second reference_id, a second account, and no reference_id")
  func identities() async throws {
    let conflict = try await FaultStory.tell(.secondReference)
    let names = Set(conflict.emissions.filter { $0.userID == conflict.auth?.userID }.map(\.referenceID))
    #expect(names.count == 2 && names.contains("person-1"))
    let double = try await FaultStory.tell(.secondAccount)
    #expect(double.live().count == 2)
    #expect(double.live().allSatisfy { $0.referenceID == "person-1" && $0.resource == "OURA" })
    let nobody = try await FaultStory.tell(.noReference)
    #expect(nobody.emissions.count == 2 && nobody.live().count == 2)
    #expect(nobody.emissions.count { $0.referenceID == nil && $0.attemptID == nil } == 1)
    #expect(nobody.auth?.referenceID == "person-1")
  }

  @Test("revoked, deauthenticated, degraded, or granted more, after it was made")
  func afterwards() async throws {
    for (fault, kind, survives) in [
      (SandboxFault.providerRevocation, "access_revoked", false), (.deauthentication, "deauthentication", false),
      (.connectionError, "connection_error", true), (.permissionChange, "permission_change", true),
    ] {
      let story = try await FaultStory.tell(fault, clock: WallClock())
      let event = try #require(story.emissions.first { $0.eventKind == kind })
      #expect(event.userID == story.auth?.userID && event.at > story.auth?.at ?? .infinity)
      #expect(story.live().count == (survives ? 1 : 0))
      #expect(story.callbacks.count == 1)
    }
  }

  @Test("connected again by the same person: an ordinary re-authentication")
  func again() async throws {
    try await withStage { stage in
      try await SandboxBrowser.with(sandbox: stage.sandbox) { browser in
        for _ in 1...2 { try await browser.visit(try await stage.begin(.direct)) }
      }
      await stage.sandbox.waitUntilIdle()
      #expect(stage.registry.received.compactMap(\.type).sorted() == ["auth", "auth", "user_reauth"])
      #expect(await stage.sandbox.ledger.liveConnections(tenant: "acme").count == 1)
    }
  }
}
