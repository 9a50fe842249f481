import Foundation
import Glibc

/// The terminal while `tandem top` has it: keys come one by one, and the shell's screen is kept.
final class TopScreen {
    private let saved: termios

    /// Takes the terminal; nil if it is none.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        saved = settings
        // Without ISIG, Ctrl-Z cannot stop the program while the screen is taken; Ctrl-C is a key.
        settings.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        guard tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0 else { return nil }
        Terminal.output.write("\u{1B}[?1049h\u{1B}[?25l")
    }

    /// Gives the terminal back as it was.
    func restore() {
        Terminal.output.write("\u{1B}[?25h\u{1B}[?1049l")
        var settings = saved
        _ = tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    /// Shows lines in place of those before, without clearing the screen, which would flicker.
    func show(_ lines: [String]) {
        Terminal.output.write(
            "\u{1B}[H" + lines.map { $0 + "\u{1B}[0m\u{1B}[K" }.joined(separator: "\r\n")
                + "\u{1B}[J")
    }

    /// The keys as they are pressed; it ends when the terminal is gone.
    static func keys() -> AsyncStream<TopModel.Key> {
        let (keys, continuation) = AsyncStream.makeStream(of: TopModel.Key.self)
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 64)
            while true {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                for key in TopModel.Key.read(buffer[..<count]) { continuation.yield(key) }
            }
            continuation.finish()
        }
        return keys
    }
}

extension TopModel.Key {
    /// The keys that bytes of a terminal stand for.
    static func read(_ bytes: some Sequence<UInt8>) -> [TopModel.Key] {
        var keys: [TopModel.Key] = []
        var rest = Array(bytes)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "q"), 3, 4: keys.append(.quit)
            case UInt8(ascii: "p"), UInt8(ascii: " "): keys.append(.pause)
            case UInt8(ascii: "r"): keys.append(.retry)
            case UInt8(ascii: "k"): keys.append(.up)
            case UInt8(ascii: "j"): keys.append(.down)
            case 0x1B where rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O"):
                rest.removeFirst()
                // Parameters, then the letter that ends the sequence.
                rest = rest.drop { (0x20...0x3F).contains($0) }
                switch rest.popFirst() {
                case UInt8(ascii: "A"): keys.append(.up)
                case UInt8(ascii: "B"): keys.append(.down)
                default: keys.append(.other)
                }
            default: keys.append(.other)
            }
        }
        return keys
    }
}
