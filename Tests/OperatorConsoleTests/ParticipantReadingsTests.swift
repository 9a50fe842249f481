import EventLoop
import Testing
import TransactionEngine

@testable import OperatorConsole

@Suite struct ParticipantReadingsTests {
    /// A server that answers when the test says.
    @LoopActor
    private final class Server {
        private(set) var asked = 0
        private var questions: [CheckedContinuation<Int, Never>] = []

        nonisolated init() {}

        func ask() async -> Int {
            asked += 1
            return await withCheckedContinuation { questions.append($0) }
        }

        func answer(_ number: Int) {
            for question in questions { question.resume(returning: number) }
            questions.removeAll()
        }

        func isAsked(_ times: Int) async {
            while asked < times { await Task.yield() }
        }
    }

    private let clock = HandClock(milliseconds: 1_000_000)
    private let server = Server()

    @LoopActor
    @Test func noPageWaitsForAServerThatIsSilent() async {
        let readings = ParticipantReadings(clock: clock) { [server] _ in await server.ask() }
        for _ in 0..<3 {
            let page = Task { @LoopActor in await readings.latest(of: ["users"]) }
            await clock.fireNextTimer()
            #expect(await page.value.isEmpty)
        }
        await server.isAsked(1)
        #expect(server.asked == 1)
        server.answer(7)
        #expect(await readings.latest(of: ["users"])["users"]?.found == 7)
    }

    @LoopActor
    @Test func anAnswerKeepsItsAgeUntilTheNextOne() async {
        let readings = ParticipantReadings(clock: clock) { [server] _ in await server.ask() }
        let asked = clock.wallTime
        let first = Task { @LoopActor in await readings.latest(of: ["users"]) }
        await server.isAsked(1)
        server.answer(7)
        #expect(await first.value["users"]?.at == asked)
        clock.advance(milliseconds: 1_999)
        #expect(await readings.latest(of: ["users"])["users"]?.at == asked)
        #expect(server.asked == 1)
        clock.advance(milliseconds: 1)
        let second = Task { @LoopActor in await readings.latest(of: ["users"]) }
        await server.isAsked(2)
        server.answer(8)
        let reading = await second.value["users"]
        #expect(reading?.found == 8)
        #expect(reading?.at == asked + 2_000_000)
    }
}
