import CommitSimulator
import Testing

/// Planted mistakes in the machine and in what it relies on: each breaks a rule in some history.
///
/// `make mutants` prints the seeds that notice them.
@Suite struct Mutants {
    @Test(arguments: Mutant.all)
    func noticesMistake(_ mutant: Mutant) {
        #expect(mutant.firstFailure(among: 20_000) != nil, "\(mutant.name) went unnoticed")
    }
}
