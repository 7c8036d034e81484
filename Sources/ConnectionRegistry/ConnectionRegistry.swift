import Foundation
import NIOConcurrencyHelpers
public import Logging
package import RegistryPostgres
public import ServiceLifecycle

/// The registry: takes in what Terra and browsers say, holds the truth about connections, and names disagreements.
///
/// Making one does no I/O. ``run()`` is the only long-lived entry: it keeps the connections to PostgreSQL, and the
/// registry works while it runs.
public final class ConnectionRegistry: Service, Sendable {
  /// The tenants of the deployment.
  public let tenants: Tenants
  /// The logins of PostgreSQL that may call the functions of the schema `registry_api`.
  public let embedders: Embedders
  /// The tenants' keys to the registry.
  public let keys: APIKeys
  /// Attempts to connect.
  public let sessions: AuthSessions
  /// The signed channel.
  public let webhooks: Webhooks
  /// The browser's channel.
  public let callbacks: RedirectCallbacks
  /// Terra's own API, for Terra's clients.
  public let gateway: Gateway
  /// The connections, as all facts make them.
  public let connections: Connections
  /// The app users.
  public let appUsers: AppUsers
  /// The auth events.
  public let events: AuthEvents
  /// Deliveries that did not become events.
  public let receipts: WebhookReceipts
  /// The comparisons.
  public let reconciliations: Reconciliations
  /// What the comparisons found.
  public let findings: Findings
  /// Every transition of every connection, in an order in which none is overlooked.
  public let changes: Changes
  /// Where tenants' backends take deliveries.
  public let endpoints: Endpoints
  /// What was and is to be told to endpoints.
  public let deliveries: Deliveries

  /// What requests that named themselves were answered with.
  package let idempotentRequests: IdempotentRequests

  /// The connections that work under row-level security, for what takes long.
  package let servicePool: PostgresPool
  /// The connections that see across tenants.
  package let workerPool: PostgresPool
  let database: RegistryDatabase
  let publicURL: String
  /// What sends deliveries, or wakes those who do.
  private let deliveryServices: [any Service]
  let logger: Logger
  private let runsSchedule: Bool

  /// Sets a registry up; nothing is connected yet.
  ///
  /// - Parameters:
  ///   - configuration: how it is set up.
  ///   - logger: where background work reports; nothing personal or secret at info or above.
  public init(configuration: Configuration, logger: Logger) {
    func lane(connections: Int) -> PostgresLane {
      var settings = PostgresLane.Configuration(configuration.databaseURL, role: "registry_service")
      settings.connections = connections
      settings.preparesStatements = configuration.preparesStatements
      return PostgresLane(configuration: settings, logger: logger)
    }
    func pool(role: String, connections: Int) -> PostgresPool {
      var settings = PostgresPool.Configuration(configuration.databaseURL, role: role)
      settings.maximumConnections = connections
      settings.preparesStatements = configuration.preparesStatements
      return PostgresPool(configuration: settings, logger: logger)
    }
    servicePool = pool(role: "registry_service", connections: configuration.maximumConnections)
    workerPool = pool(role: "registry_worker", connections: 2)
    self.logger = logger
    let laneConnections = configuration.laneConnections
    var listening = PostgresListener.Configuration(configuration.databaseURL, role: "registry_worker")
    listening.applicationName = "connection-registry listener"
    let listener = configuration.listens ? PostgresListener(configuration: listening, logger: logger) : nil
    let changeWaker = ChangeWaker(worker: workerPool, listener: listener, logger: logger)
    let deliverySignal = DeliverySignal()
    database = RegistryDatabase(
      service: servicePool,
      lanes: laneConnections > 0
        ? .init(
          reads: lane(connections: laneConnections), writes: (0..<laneConnections).map { _ in lane(connections: 1) })
        : nil,
      worker: workerPool, logger: logger, changeWaker: changeWaker, deliverySignal: deliverySignal)
    publicURL = configuration.publicURL
    let keyRing = configuration.masterKeys
    let timing = configuration.timing
    let directory = TenantDirectory(database: database, keyRing: keyRing)
    tenants = Tenants(database: database, keyRing: keyRing, directory: directory)
    embedders = Embedders(database: database, directory: directory)
    keys = APIKeys(database: database, directory: directory, uses: APIKeyUses(database: database))
    sessions = AuthSessions(
      database: database, directory: directory, keyRing: keyRing, timing: timing, publicURL: configuration.publicURL,
      terraDeadline: configuration.terraDeadline, logger: logger)
    webhooks = Webhooks(
      database: database, directory: directory, timing: timing, dataMinutes: DataMinutes(),
      rejections: Rejections(database: database, logger: logger), clock: configuration.now, logger: logger)
    callbacks = RedirectCallbacks(database: database, directory: directory, timing: timing)
    idempotentRequests = IdempotentRequests(database: database, directory: directory)
    connections = Connections(
      database: database, directory: directory, timing: timing, terraDeadline: configuration.terraDeadline)
    gateway = Gateway(
      database: database, directory: directory, keys: keys,
      records: AuthSessionRecords(database: database, keyRing: keyRing, timing: timing),
      publicURL: configuration.publicURL, terraDeadline: configuration.terraDeadline, logger: logger)
    appUsers = AppUsers(database: database, directory: directory, timing: timing)
    events = AuthEvents(database: database, directory: directory)
    receipts = WebhookReceipts(database: database, directory: directory)
    reconciliations = Reconciliations(
      database: database, directory: directory, timing: timing, every: configuration.reconcileEvery, logger: logger,
      providerEvery: configuration.providerEvery, questionsPerSecond: configuration.terraQuestionsPerSecond,
      tenantsAtOnce: configuration.tenantsAtOnce, pause: configuration.pause)
    runsSchedule = configuration.runsSchedule
    findings = Findings(database: database, directory: directory, timing: timing)
    changes = Changes(database: database, directory: directory, keyRing: keyRing, waker: changeWaker, logger: logger)
    let settings = configuration.deliveries
    let resolver = settings.hostResolver
    endpoints = Endpoints(
      database: database, directory: directory, keyRing: keyRing, settings: settings, resolver: resolver)
    deliveries = Deliveries(database: database, directory: directory, settings: settings)
    if settings.areSent {
      let context = EndpointWorker.Context(
        database: database, keyRing: keyRing, settings: settings, resolver: resolver,
        places: .init(DeliveryPlaces(perEndpoint: settings.concurrency)), logger: logger)
      deliveryServices = [DeliveryDispatcher(context: context, signal: deliverySignal, listener: listener)]
    } else {
      deliveryServices = [DeliveryNotifier(database: database, signal: deliverySignal, logger: logger)]
    }
  }

  /// Waits until what was answered and is recorded afterwards, rejected deliveries and uses of keys, is recorded.
  package func settle() async {
    await webhooks.rejections.settle()
    await keys.uses.settle()
  }

  /// Keeps the connections to PostgreSQL until the task is cancelled or the service shuts down.
  ///
  /// A graceful shutdown serves who waits and then closes the connections; to be begun when no requests come any more, as
  /// a `ServiceGroup` does that lists the server behind the registry.
  ///
  /// - Throws: what a pool or a lane throws that cannot go on.
  public func run() async throws {
    var services: [any Service] = [workerPool, servicePool]
    if let lanes = database.lanes { services += [lanes.reads] + lanes.writes }
    services += [webhooks.rejections, keys.uses, changes.waker]
    services += deliveryServices
    if runsSchedule {
      // Without a schedule there are runs that somebody asks for.
      let schedule = reconciliations.schedule(reconciliations.every.map { .every($0.inSeconds) } ?? .asked)
      services.append(ReconciliationScheduler(reconciliations: reconciliations, schedule: schedule, logger: logger))
    }
    // One that ends is the registry's end. They end in the reverse order, each after those behind it.
    try await ServiceGroup(services: services, logger: logger).run()
  }
}
