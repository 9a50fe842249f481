import Foundation

/// One Swift file of the repository, as the rules see it.
struct SourceFile {
    /// From the repository's root, such as `Sources/EventLoop/Loop/EventLoop.swift`.
    let path: String
    let text: String

    /// The target it belongs to: the folder below `Sources` or `Tests`.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    /// The modules it imports, with the line of each.
    var imports: [(module: String, line: Int)] {
        let pattern =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:\w+\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(?<module>\w+)/
        return SwiftCode(text).lines.enumerated().compactMap { index, line in
            line.firstMatch(of: pattern).map { (String($0.output.module), index + 1) }
        }
    }
}

/// The checkout that these tests were built from.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Every Swift file below a folder, by path.
    static func swiftFiles(_ folder: String) throws -> [SourceFile] {
        try files(folder, ".swift")
    }

    /// Every file below a folder whose name ends so, by path.
    static func files(_ folder: String, _ ending: String) throws -> [SourceFile] {
        var files: [SourceFile] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)")
            .sorted()
        {
            let path = "\(folder)/\(name)"
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder)
            else { continue }
            if isFolder.boolValue {
                files += try Self.files(path, ending)
            } else if name.hasSuffix(ending) {
                files.append(SourceFile(path: path, text: try text(path)))
            }
        }
        return files
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(root)/\(path)")
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
    }
}
