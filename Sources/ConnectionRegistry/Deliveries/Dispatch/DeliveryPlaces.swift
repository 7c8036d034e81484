import Foundation

/// How many attempts are under way, and whether one more may begin.
///
/// Three limits hold at once, so that one endpoint does not take all places of its tenant, nor one tenant all there are.
/// Endpoints that fail are asked by a few attempts only, and share half of all places, so that any number of dead ones
/// leaves room for those that answer.
struct DeliveryPlaces: Sendable {
  var perEndpoint = 8
  var perFailingEndpoint = 2
  var perTenant = 32
  var total = 512

  private var byEndpoint: [UUID: Int] = [:]
  private var byTenant: [UUID: Int] = [:]
  private var taken = 0
  private var takenByFailing = 0

  init(perEndpoint: Int) {
    self.perEndpoint = perEndpoint
    perFailingEndpoint = min(2, perEndpoint)
    perTenant = 4 * perEndpoint
  }

  /// Takes a place; false where there is none.
  mutating func take(tenantID: UUID, endpointID: UUID, isFailing: Bool) -> Bool {
    guard taken < total, byTenant[tenantID, default: 0] < perTenant,
      byEndpoint[endpointID, default: 0] < (isFailing ? perFailingEndpoint : perEndpoint),
      !isFailing || takenByFailing < total / 2
    else { return false }
    taken += 1
    if isFailing { takenByFailing += 1 }
    byTenant[tenantID, default: 0] += 1
    byEndpoint[endpointID, default: 0] += 1
    return true
  }

  /// Gives a place back that was taken with the same words.
  mutating func giveBack(tenantID: UUID, endpointID: UUID, isFailing: Bool) {
    taken -= 1
    if isFailing { takenByFailing -= 1 }
    byTenant[tenantID] = byTenant[tenantID].flatMap { $0 > 1 ? $0 - 1 : nil }
    byEndpoint[endpointID] = byEndpoint[endpointID].flatMap { $0 > 1 ? $0 - 1 : nil }
  }
}
