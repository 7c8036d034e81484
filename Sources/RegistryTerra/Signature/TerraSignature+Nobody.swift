extension TerraSignature {
  /// A signature that no secret makes, so that a delivery without one costs the same work as one with a wrong one.
  package static let nobodys = TerraSignature(
    timestamp: 0, timestampText: "0", candidates: [[UInt8](repeating: 0, count: 32)])

  private init(timestamp: Int64, timestampText: String, candidates: [[UInt8]]) {
    self.timestamp = timestamp
    self.timestampText = timestampText
    self.candidates = candidates
  }
}
