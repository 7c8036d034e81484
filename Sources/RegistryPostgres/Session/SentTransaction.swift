/// A transaction whose pipeline has been sent, and how far its answers have been read.
struct SentTransaction: Sendable {
  let transaction: PipelinedTransaction
  let itinerary: PipelinedTransaction.Itinerary
  var machine: PipelineStateMachine
  /// One for each statement that was answered.
  var results: [PostgresResult] = []
  /// The answer to the present step, until its end has been read.
  var kept: PostgresResult?
  /// The first error.
  var error: PostgresResult?
  /// Whether all was read.
  var isRead = false

  init(_ transaction: PipelinedTransaction, _ itinerary: PipelinedTransaction.Itinerary) {
    self.transaction = transaction
    self.itinerary = itinerary
    machine = PipelineStateMachine(itinerary.steps, isImplicit: transaction.beginText == nil)
    results.reserveCapacity(transaction.statements.count)
  }
}
