import Foundation

/// The pages of code that only the start of the service has needed: the dynamic linker's, the command line's, the search for
/// protocol conformances.
enum StartPages {
  /// Gives them back. What is needed again comes from the page cache at the first touch; code is never written to, so that
  /// nothing is lost (madvise(2), `MADV_DONTNEED`). Does nothing where `/proc` does not tell the mappings.
  static func release() {
    #if os(Linux)
      guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
      for range in ranges(of: maps) {
        _ = madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, Int32(MADV_DONTNEED))
      }
    #endif
  }

  /// Where files are mapped as code that cannot be written, by the lines of `/proc/PID/maps` (proc(5)).
  ///
  /// - Parameter maps: `start-end perms offset device inode path` a line, the addresses in hexadecimal.
  /// - Returns: their addresses; lines of another form are passed over.
  static func ranges(of maps: String) -> [Range<UInt>] {
    maps.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { return nil }
      let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
    }
  }
}
