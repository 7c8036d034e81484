import Testing

@testable import RegistryPostgres

@Suite struct PipelineStateMachineTests {
  typealias Machine = PipelineStateMachine

  private var explicit: [Machine.Step] { [.begin, .prepare(0), .statement(0, .named), .commit] }
  private var implicit: [Machine.Step] { [.statement(0, .named)] }

  /// Feeds answers, a result and its end for each.
  private func run(
    _ machine: inout Machine, _ answers: [Machine.Answer], isBroken: Bool = false
  ) -> [Machine.Action] {
    answers.map { machine.received($0, isBroken: isBroken) }
  }

  private func check(
    _ machine: inout Machine, _ answers: [Machine.Answer], isBroken: Bool = false, _ expected: [Machine.Action],
    at location: SourceLocation = #_sourceLocation
  ) {
    let actions = run(&machine, answers, isBroken: isBroken)
    #expect(actions == expected, sourceLocation: location)
  }

  @Test func notesEachStepAndEndsWithTheSync() {
    var machine = Machine(explicit, isImplicit: false)
    var actions: [Machine.Action] = []
    for _ in explicit { actions += run(&machine, [.done, .none]) }
    #expect(actions == explicit.flatMap { [.keep, .note($0)] })
    #expect(machine.received(.sync, isBroken: false) == .finish)
    #expect(machine.failedStep == nil)
  }

  @Test func theFirstErrorCountsAndTheRestIsSkipped() {
    var machine = Machine(explicit, isImplicit: false)
    check(&machine, [.done, .none], [.keep, .note(.begin)])
    check(&machine, [.error, .none], [.keepError, .goOn])
    check(&machine, [.done, .none, .error, .none], [.keep, .goOn, .keep, .goOn])
    #expect(machine.received(.sync, isBroken: false) == .finish)
    #expect(machine.failedStep == .prepare(0))
  }

  @Test func aLostConnectionEndsTheReadingOnceItsErrorWasSeen() {
    var machine = Machine(explicit, isImplicit: false)
    check(&machine, [.error, .none], isBroken: true, [.keepError, .finish])
    #expect(machine.failedStep == .begin)
  }

  @Test func silenceLeavesTheOutcomeOpen() {
    var machine = Machine(explicit, isImplicit: false)
    #expect(machine.received(.none, isBroken: true) == .giveUp)
    machine = Machine(implicit, isImplicit: true)
    check(&machine, [.done, .none, .none], isBroken: true, [.keep, .note(implicit[0]), .giveUp])
  }

  @Test func whatOnlyTheEndOfAnImplicitTransactionFindsIsTheCommitsError() {
    var machine = Machine(implicit, isImplicit: true)
    check(
      &machine, [.done, .none, .error, .none, .sync], [.keep, .note(implicit[0]), .keepError, .goOn, .finish])
    #expect(machine.failedStep == .commit)
  }

  @Test func nothingStandsBehindTheCommitOfAnExplicitTransaction() {
    var machine = Machine([.begin, .commit], isImplicit: false)
    check(&machine, [.done, .none, .done, .none], [.keep, .note(.begin), .keep, .note(.commit)])
    var ended = machine
    check(&machine, [.error, .none], [.keepError, .giveUp])
    check(&ended, [.error, .none], isBroken: true, [.keepError, .finish])
    #expect(ended.failedStep == .commit)
  }

  @Test func copyIsRefused() {
    var machine = Machine(implicit, isImplicit: true)
    #expect(machine.received(.copy, isBroken: false) == .refuseCopy)
  }

  /// Whatever the server answers, the reading ends within two answers a step and a few more.
  @Test func alwaysEnds() {
    for code in 0..<3125 {
      var machine = Machine(implicit, isImplicit: code % 2 == 0)
      var rest = code
      var ended = false
      for step in 0..<12 where !ended {
        let answers: [Machine.Answer] = [.done, .error, .copy, .sync, .none]
        let answer = step < 5 ? answers[rest % 5] : .none
        rest /= 5
        let action = machine.received(answer, isBroken: false)
        ended = [.finish, .giveUp, .refuseCopy].contains(action)
      }
      #expect(ended, "answers \(code)")
    }
  }
}
