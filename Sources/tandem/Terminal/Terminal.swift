import Foundation
import Glibc

/// A standard stream, and what it can show.
struct Terminal: Sendable {
    static let output = Terminal(descriptor: STDOUT_FILENO)
    static let error = Terminal(descriptor: STDERR_FILENO)
    static let input = Terminal(descriptor: STDIN_FILENO)

    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    /// Whether a person looks at it, and not a file or another program.
    var isInteractive: Bool { isatty(descriptor) == 1 }

    /// Whether to use colours; see https://no-color.org.
    var hasColors: Bool {
        let environment = ProcessInfo.processInfo.environment
        return isInteractive && environment["NO_COLOR"].map(\.isEmpty) != false
            && environment["TERM"] != "dumb"
    }

    /// How many columns fit; nil if it is no terminal, where nothing needs to fit.
    var width: Int? { isInteractive ? size.columns : nil }

    /// Columns and rows; 80 by 24 if it does not say.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Writes a line.
    ///
    /// A reader that has gone, such as `head`, ends this process: nothing else is left to do. So does
    /// a full disk below standard output, since the exit status must not say that all was written.
    func print(_ text: String) { write(text + "\n") }

    /// Writes a text as it is.
    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
                continue
            }
            guard count > 0 else { return failed(errno) }
            rest = rest.dropFirst(count)
        }
    }

    private func failed(_ code: Int32) {
        // What standard error cannot take, nothing can.
        guard descriptor == STDOUT_FILENO else { return }
        Self.error.print("Error: The output cannot be written: \(String(cString: strerror(code))).")
        exit(CommandStatus.failed.rawValue)
    }

    /// The text without what a terminal would obey.
    ///
    /// Messages of databases and names of programs come from others: a control character among them
    /// could clear the screen or retitle the window. Tabs and line ends become blanks.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\t", "\n", "\r": result.append(" ")
            case _ where isControl(scalar):
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    /// Control characters, and those that turn the direction of the text around.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

/// What a state or a number means for the reader; a terminal shows it as a colour.
enum Emphasis {
    case none
    case good
    case attention
    case bad
    case faint

    /// The text in this colour, if colours are used.
    func applied(to text: String, if hasColors: Bool) -> String {
        guard hasColors, let code else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    private var code: String? {
        switch self {
        case .none: nil
        case .good: "32"
        case .attention: "33"
        case .bad: "31"
        case .faint: "2"
        }
    }

    /// The colour of a transaction's state.
    init(state: String) {
        self =
            switch state {
            case "committed": .good
            case "aborted": .faint
            case "needsOperator": .bad
            case "committing", "aborting": .attention
            default: .none
            }
    }
}
