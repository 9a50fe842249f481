import EventLoop
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// A pseudo-terminal of 100 columns and 40 rows, and what a program has written to it.
private final class PseudoTerminal: Sendable {
    let controller: Int32
    let path: String
    private let written = Lock<[UInt8]>([])

    init() throws {
        controller = Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(controller >= 0)
        var lock: Int32 = 0
        var number: Int32 = 0
        // TIOCSPTLCK and TIOCGPTN: the other end is unlocked, and its number asked for.
        try #require(ioctl(controller, 0x4004_5431, &lock) == 0)
        try #require(ioctl(controller, 0x8004_5430, &number) == 0)
        path = "/dev/pts/\(number)"
        var size = winsize(ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(controller, UInt(TIOCSWINSZ), &size)
        let controller = controller
        Thread.detachNewThread { [written] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(controller, &buffer, buffer.count)
                guard count > 0 else { return }
                written.withLock { $0 += buffer[..<count] }
            }
        }
    }

    /// The end that a program uses.
    func open() throws -> Descriptor {
        let descriptor = Glibc.open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(descriptor >= 0)
        return Descriptor(adopting: descriptor)
    }

    func type(_ text: String) { _ = write(controller, text, text.utf8.count) }

    var text: String { written.withLock { String(decoding: $0, as: UTF8.self) } }

    /// Whether keys come one by one, and are not echoed.
    var isRaw: Bool {
        var settings = termios()
        _ = tcgetattr(controller, &settings)
        return settings.c_lflag & tcflag_t(ICANON | ECHO) == 0
    }
}

@Suite("tandem top on a pseudo-terminal", .serialized)
struct TopTests {
    private func start(_ testbed: Testbed, _ terminal: PseudoTerminal) async throws -> ChildProcess
    {
        var command = try Program.command(
            ["top", "--interval", "100ms"],
            environment: ["TANDEM_URL": "http://127.0.0.1:\(testbed.client.port)", "TERM": "xterm"])
        let end = try terminal.open()
        command.input = .descriptor(end)
        command.output = .descriptor(end)
        command.errors = .descriptor(end)
        return try await ChildProcess.start(command.dyingWithParent(signal: "KILL"))
    }

    @Test("it shows a picture, takes keys, and gives the terminal back when it quits")
    func quits() async throws {
        try await withTestbed { testbed in
            let terminal = try PseudoTerminal()
            // Kept open, so that the settings outlive the program.
            let end = try terminal.open()
            let top = try await start(testbed, terminal)
            try await testbed.until("it has taken the screen") {
                terminal.isRaw && terminal.text.contains("QUEUE")
                    && terminal.text.contains("q quit")
            }
            #expect(terminal.text.contains("\u{1B}[?1049h"))
            terminal.type("p")
            try await testbed.until("it is paused") { terminal.text.contains("PAUSED") }
            terminal.type("r")
            try await testbed.until("it says why not") {
                terminal.text.contains("no transaction is selected")
            }
            terminal.type("q")
            #expect(await top.exitStatus() == .exited(0))
            try await testbed.until("the last bytes have come") {
                terminal.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l")
            }
            #expect(!terminal.isRaw)
            withExtendedLifetime(end) {}
        }
    }

    @Test("a signal gives the terminal back, too, and a lost replica is said")
    func signals() async throws {
        try await withTestbed { testbed in
            let terminal = try PseudoTerminal()
            let end = try terminal.open()
            let top = try await start(testbed, terminal)
            try await testbed.until("it has taken the screen") { terminal.isRaw }
            await testbed.replica.kill()
            try await testbed.until("it says that the replica is gone") {
                terminal.text.contains("Cannot reach")
            }
            top.send(SIGTERM)
            _ = await top.exitStatus()
            try await testbed.until("the last bytes have come") {
                terminal.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l")
            }
            #expect(!terminal.isRaw)
            withExtendedLifetime(end) {}
        }
    }

    @Test("without a terminal it prints one picture")
    func once() async throws {
        try await withTestbed { testbed in
            let output = try await testbed.tandem("top")
            #expect(output.exits(.done), "\(output.errors)")
            #expect(output.output.contains("needsOperator      0"))
            #expect(output.output.contains("No transaction is unfinished."))
            #expect(!output.output.contains("\u{1B}"))
        }
    }
}
