/// Which addresses deliveries may go to: whatever is public, and what the operator allows.
///
/// A tenant chooses where its deliveries go, and they are sent from inside the operator's network. So an address that
/// only means something inside of it is refused, whatever name led there. Sources: the IANA registries of special-purpose
/// IPv4 and IPv6 addresses (RFC 6890), RFC 6052 (NAT64), RFC 3056 (6to4).
public struct DestinationPolicy: Sendable, Hashable {
  private var ranges: [AddressRange] = []
  private var hosts: Set<String> = []

  /// Allows nothing but public addresses.
  public init() {}

  /// Reads what is allowed beside public addresses.
  ///
  /// - Parameter text: ranges such as `10.20.0.0/16` or `fd00::/8`, addresses, and host names, whose addresses are then
  ///   all allowed; separated by commas.
  /// - Throws: ``RegistryError`` of code `invalid_request` that names the entry.
  public init(_ text: String) throws(RegistryError) {
    for part in text.split(separator: ",") {
      let entry = String(part.filter { !$0.isWhitespace }).lowercased()
      if let range = AddressRange(entry) {
        ranges.append(range)
      } else if !entry.isEmpty, entry.utf8.count <= 253, !entry.contains("/"), !entry.contains(":"),
        entry.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
      {
        hosts.insert(entry)
      } else {
        throw RegistryError.invalid(
          "REGISTRY_DELIVERY_ALLOW",
          "`\(entry)` is neither a range such as 10.20.0.0/16 nor an address nor a host name; separate by commas")
      }
    }
  }

  /// Whether a delivery to a host may go to one of its addresses.
  func allows(_ address: NetworkAddress, of host: String) -> Bool {
    hosts.contains(host.lowercased()) || ranges.contains { $0.contains(address) } || Self.isPublic(address)
  }

  /// Whether anybody on the internet reaches an address.
  static func isPublic(_ address: NetworkAddress) -> Bool {
    if address.isV4 { return !refusedV4.contains { $0.contains(address) } }
    let bytes = address.bytes
    // What only wraps an IPv4 address is judged by it.
    if mapped.contains(address) || translated.contains(address) {
      return isPublic(NetworkAddress(bytes: Array(bytes[12...])))
    }
    return globalV6.contains(address) && !refusedV6.contains { $0.contains(address) }
  }

  private static func ranges(_ texts: [String]) -> [AddressRange] { texts.compactMap { AddressRange($0) } }

  private static let refusedV4 = ranges([
    "0.0.0.0/8",  // this network
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private
    "100.64.0.0/10",  // shared by carriers; a cloud's metadata at 100.100.100.200
    "127.0.0.0/8",  // loopback
    "169.254.0.0/16",  // link-local, metadata of most clouds
    "168.63.129.16/32",  // Azure's own services, at a public address
    "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  // protocols, documentation
    "192.88.99.0/24",  // relays of 6to4
    "198.18.0.0/15",  // benchmarks
    "224.0.0.0/4", "240.0.0.0/4",  // multicast, reserved, broadcast
  ])

  private static let mapped = AddressRange(NetworkAddress(bytes: zeros + [0xFF, 0xFF, 0, 0, 0, 0]), prefix: 96)
  private static let translated = AddressRange(
    NetworkAddress(bytes: [0x00, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 12)), prefix: 96)
  private static let zeros = [UInt8](repeating: 0, count: 10)

  /// All that is routed; what lies outside is loopback, link-local, unique local, multicast or unassigned.
  private static let globalV6 = AddressRange(
    NetworkAddress(bytes: [0x20] + [UInt8](repeating: 0, count: 15)), prefix: 3)

  private static let refusedV6 = ranges([
    "2001::/23",  // Teredo, ORCHID, benchmarks and other protocols
    "2001:db8::/32", "3fff::/20",  // documentation
    "2002::/16",  // 6to4, which wraps any IPv4 address
  ])
}
