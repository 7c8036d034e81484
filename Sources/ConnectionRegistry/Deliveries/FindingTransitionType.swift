/// What an endpoint can be told of findings, each once per transition.
public enum FindingTransitionType: String, Sendable, Hashable, Codable, CaseIterable {
  /// A disagreement was found for the first time.
  case opened = "finding.opened"
  /// It stands longer than it should, has become more severe, or its acknowledgement has ended.
  case escalated = "finding.escalated"
  /// It was repaired, or is not found any more.
  case resolved = "finding.resolved"
  /// What was resolved is found again.
  case reopened = "finding.reopened"
}
