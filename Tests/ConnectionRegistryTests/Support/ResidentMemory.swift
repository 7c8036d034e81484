#if os(Linux)
  import Foundation
  import Testing

  /// The memory of this process, from /proc.
  struct ResidentMemory: Sendable {
    /// What was resident when it was last reset, in bytes.
    let baseline: Int

    /// Begins anew: the peak is what is resident now.
    init() throws {
      try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
      baseline = try Self.bytes("VmRSS")
    }

    /// By how much the peak has grown since, in bytes.
    func growth() throws -> Int { try Self.bytes("VmHWM") - baseline }

    private static func bytes(_ name: String) throws -> Int {
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
      return try #require(Int(line.filter(\.isNumber))) << 10
    }
  }
#endif
