import Testing

@testable import registry

@Suite("The pages that only the start has needed")
struct StartPagesTests {
  @Test("Code that cannot be written is found among the mappings, and nothing else")
  func findsCode() {
    let maps = """
      55d0c2a00000-55d0c37cd000 r--p 00000000 fe:00 131 /usr/local/bin/registry
      55d0c37ce000-55d0c5762000 r-xp 00dcd000 fe:00 131 /usr/local/bin/registry
      55d0c5762000-55d0c58b1000 rw-p 02d61000 fe:00 131 /usr/local/bin/registry
      55d0c8000000-55d0c8021000 rwxp 00000000 fe:00 132 /usr/lib/patched.so
      55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0 [heap]
      7f0000000000-7f0000001000 r-xp 00000000 fe:00 133 /usr/lib/with a name (deleted)
      7ffd1d5fe000-7ffd1d600000 r-xp 00000000 00:00 0 [vdso]
      7f00-zz r-xp 00000000 fe:00 133 /usr/lib/strange
      7f0000005000-7f0000004000 r-xp 00000000 fe:00 133 /usr/lib/backwards

      """
    #expect(
      StartPages.ranges(of: maps) == [0x55d0_c37c_e000..<0x55d0_c576_2000, 0x7f00_0000_0000..<0x7f00_0000_1000])
    #expect(StartPages.ranges(of: "").isEmpty)
  }

  @Test("What goes on needs none of them")
  func releases() {
    for _ in 0..<3 { StartPages.release() }
  }
}
