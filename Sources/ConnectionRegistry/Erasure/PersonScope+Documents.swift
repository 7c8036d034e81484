import Foundation
import RegistryTerra

extension PersonScope {
  /// Whether a JSON text names them, also one that is cut off.
  func isNamed(in json: [UInt8]) -> Bool {
    let members = JSONNamedTexts.members(in: json).compactMap { member in
      PersonalName(member: member.name).map { (name: $0, text: member.text) }
    }
    // By a session of theirs another may have come, and then it is about that one.
    let hasConnection = members.contains { $0.name == .userID }
    let isMember = members.contains { name, text in
      (!hasConnection || name == .userID || name == .appUser) && holds(text, as: name)
    }
    return isMember || (try? JSONParser.parse(json)).map(holdsReference(in:)) ?? false
  }

  /// Whether the query of a redirect names them.
  func isNamed(inQuery raw: String) -> Bool {
    RedirectQuery(rawQuery: raw).parameters.contains { parameter in
      PersonalName(member: parameter.name).map { holds(parameter.value, as: $0) } ?? false
    }
  }

  /// Whether a path below `/v1` leads to them.
  func isNamed(inPath path: String) -> Bool {
    let parts = path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }
    return zip(parts, parts.dropFirst()).contains { place, id in
      switch place {
      case "app-users": holds(id, as: .appUser)
      case "connections": holds(id, as: .userID)
      case "sessions": holds(id, as: .session)
      default: false
      }
    }
  }

  /// A JSON document without the names: members that hold one are null, and what rests on one of their connections does not
  /// any more.
  ///
  /// - Parameter value: the document.
  /// - Returns: the document; nil where it names nobody of them.
  func takenOut(of value: JSONValue) -> JSONValue? {
    let without = cleared(value)
    return without == value ? nil : without
  }

  private func cleared(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.filter { !isReference($0) }.map(cleared))
    case .object(let members):
      return .object(
        Dictionary(
          uniqueKeysWithValues: members.map { name, value in
            guard let kind = PersonalName(member: name), let text = value.text, holds(text, as: kind) else {
              return (name, cleared(value))
            }
            return (name, .null)
          }))
    default: return value
    }
  }

  /// Whether an object names one of their connections or sessions by type and id, as findings do.
  private func isReference(_ value: JSONValue) -> Bool {
    guard let type = value["type"]?.text, let id = value["id"]?.text else { return false }
    return type == "user_id" && holds(id, as: .userID) || type == "session" && holds(id, as: .session)
  }

  private func holdsReference(in value: JSONValue) -> Bool {
    switch value {
    case .array(let elements): elements.contains(where: holdsReference(in:))
    case .object(let members): isReference(value) || members.values.contains(where: holdsReference(in:))
    default: false
    }
  }
}

extension JSONValue {
  /// What an object says of a finding's subject, as type and id.
  var typeAndID: ExactText? {
    guard let type = self["type"]?.text, let id = self["id"]?.text else { return nil }
    return ExactText("\(type) \(id)")
  }
}
