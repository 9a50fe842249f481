import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Hazards, from what a server answers")
struct HazardReadingTests {
    private func kinds(
        of purpose: Diagnostics.Purpose = .participant, _ jobs: ScheduledJobs = ScheduledJobs(),
        processID: Int32? = nil, _ change: (inout HazardReading) -> Void = { _ in }
    ) -> [Hazard.Kind] {
        var reading = HazardReading()
        change(&reading)
        return reading.hazards(of: purpose, jobs, processID: processID).map(\.kind)
    }

    @Test func `finds nothing on a server that is well`() {
        #expect(kinds() == [])
        #expect(kinds { $0.transactionIDAge = 1_000_000_000 } == [])
        #expect(
            kinds {
                $0.standbyCount = 1
                $0.synchronousStandbys = "ANY 1 (*)"
            } == [])
    }

    @Test func `names each hazard by its cause`() {
        #expect(kinds { $0.isFsyncOn = false } == [.fsyncOff])
        #expect(kinds { $0.arePagesWrittenWhole = false } == [.fullPageWritesOff])
        #expect(kinds { $0.standbyCount = 1 } == [.asynchronousStandby])
        #expect(kinds { $0.preparedAge = 200_000_001 } == [.vacuumHeldUp])
        #expect(kinds { $0.transactionIDAge = 1_700_000_000 } == [.wraparound])
        #expect(kinds { $0.multixactAge = 1_700_000_000 } == [.wraparound])
        #expect(kinds { $0.secondsToExpiry = 3600 } == [.roleExpires])
        #expect(kinds { $0.secondsToExpiry = 30 * 86_400 } == [])
    }

    @Test func `asks of a state database nothing about prepared transactions`() {
        let jobs = ScheduledJobs(found: ["pg_cron job 1"])
        #expect(kinds(jobs) { $0.orphanTimeouts = "x = 1" } == [.orphanTimeout, .scheduledJob])
        #expect(kinds(of: .state, jobs) { $0.orphanTimeouts = "x = 1" } == [])
    }

    @Test func `finds a pooler by another server process than at the opening`() {
        #expect(kinds(processID: 5) { $0.processID = 5 } == [])
        #expect(kinds(processID: 5) { $0.processID = 6 } == [.transactionPooler])
    }

    @Test func `counts the ids that are left before the server refuses to write`() {
        var reading = HazardReading()
        reading.transactionIDAge = 2_144_483_000
        #expect(reading.transactionIDsLeft == 647)
        reading.transactionIDAge = 2_147_000_000
        #expect(reading.transactionIDsLeft == 0)
    }
}

@Suite("The pace of transaction ids")
struct TransactionIDPaceTests {
    private let start = ContinuousClock.now

    @Test func `is not known from one reading, nor from two that are close`() {
        var pace = TransactionIDPace()
        pace.note(1000, at: start)
        #expect(pace.seconds(for: 10) == nil)
        pace.note(2000, at: start + .seconds(59))
        #expect(pace.seconds(for: 10) == nil)
    }

    @Test func `says how long ids last, and nothing while none is given out`() {
        var pace = TransactionIDPace()
        pace.note(1000, at: start)
        pace.note(1000, at: start + .seconds(100))
        #expect(pace.seconds(for: 1_000_000) == nil)
        pace.note(3000, at: start + .seconds(200))
        #expect(pace.seconds(for: 1_000_000) == 100_000)
    }

    @Test func `forgets what was an hour ago, and another server`() {
        var pace = TransactionIDPace()
        pace.note(0, at: start)
        pace.note(1_000_000, at: start + .seconds(60))
        for minute in 2...120 {
            pace.note(1_000_000 + UInt64(minute), at: start + .seconds(60 * minute))
        }
        #expect(pace.seconds(for: 60) == 3600)
        pace.note(5, at: start + .seconds(7300))
        #expect(pace.seconds(for: 60) == nil)
    }
}
