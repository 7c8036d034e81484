import TerraSandbox
import Testing

@testable import registry

struct DemoPopulationTests {
  @Test("Every fault happens, whatever the seed and the size", arguments: [UInt64(1), 2, 3, 4, 5], [12, 2_400])
  func faults(seed: UInt64, appUsers: Int) {
    let settings = DemoSettings(seed: seed, appUsers: appUsers)
    let population = DemoPopulation(settings)
    let happening = Set(population.attempts.flatMap { $0.plan(settings.faults).faults })
    #expect(happening == Set(settings.faults.rates.keys))
    #expect(Set(SandboxFault.allCases) == happening)
    let shared = population.attempts.filter { $0.plan(settings.faults).has(.sharedAccount) }
    #expect(shared.contains { $0.tenant.generation == .legacy })
  }

  @Test("A seed repeats the population")
  func seed() {
    let settings = DemoSettings(seed: 7, appUsers: 200)
    #expect(DemoPopulation(settings).attempts == DemoPopulation(settings).attempts)
    let other = DemoSettings(seed: 8, appUsers: 200)
    #expect(DemoPopulation(settings).attempts != DemoPopulation(other).attempts)
  }

  @Test("The last app users meet no fault, and most belong to the tenant with the rotated secret")
  func lastAppUsers() {
    let settings = DemoSettings(seed: 3, appUsers: 100)
    let last = DemoPopulation(settings).lastAttempts
    #expect(last.allSatisfy { $0.plan(settings.faults).faults.isEmpty })
    for tenant in DemoTenant.all {
      let count = last.count { $0.tenant == tenant }
      #expect(count == (tenant.rotatesSecret ? settings.appUsersAfterRotation : 1))
    }
  }

  @Test("No try falls within a fifth of a threshold")
  func tries() {
    let settings = DemoSettings(seed: 1, appUsers: 1)
    var at = 0.0
    for number in 1...settings.delivery.maximumTries {
      for threshold in [settings.grace, settings.horizon] {
        #expect(!(0.8 * threshold...1.2 * threshold).contains(at))
      }
      at += settings.delivery.delay(afterTry: number)
    }
    // What is signed wrong before the rotation is given up by then; what is signed wrong after it is tried for longer
    // than the latest webhook takes.
    let lastTry = (1..<settings.delivery.maximumTries).reduce(0) { $0 + settings.delivery.delay(afterTry: $1) }
    #expect(settings.rotationAfter > lastTry + settings.grace)
    #expect(settings.rotationAfter + lastTry > settings.thresholds.delayPastHorizon(1) + 0.5 * settings.grace)
  }

  @Test("A large population stays below the number of unknown tokens that are listed one by one")
  func unknownTokens() {
    let settings = DemoSettings(seed: 1, appUsers: 30_000)
    let forged = DemoPopulation(settings).attempts.filter { $0.plan(settings.faults).has(.forgedToken) }
    for tenant in DemoTenant.all { #expect(forged.count { $0.tenant == tenant } < 100) }
  }
}
