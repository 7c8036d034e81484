import ConnectionRegistry

/// A tenant with what is left to do for it.
struct TenantWithSteps: Encodable {
  var tenant: Tenant
  var nextSteps: [OnboardingStep]

  private enum CodingKeys: CodingKey {
    case nextSteps
  }

  /// The tenant's own members, and the steps beside them.
  func encode(to encoder: any Encoder) throws {
    try tenant.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(nextSteps, forKey: .nextSteps)
  }

  /// Prints the tenant, then the steps: for people one after another, with what is to be copied on a line of its own.
  func print(_ format: OutputFormat) throws {
    let output = StandardOutput()
    guard format == .table else { return try DetailPrinter(output, format).print(self) }
    try DetailPrinter(output, format).print(tenant)
    try output.line()
    try output.line("What is left to do")
    for (index, step) in nextSteps.enumerated() {
      try output.line("  \(index + 1). \(step.step)")
      if let value = step.value { try output.line("     \(StandardOutput.printable(value))") }
      if let note = step.note { try output.line("     \(note)") }
    }
  }
}
