import TransactionEngine

/// A column of a result.
struct ResultColumn: Hashable, Sendable {
    /// The name, as PostgreSQL gave it.
    var name: String
    /// The OID of the type; that of a domain's base type, which is what the server sends.
    var typeOID: UInt32
    /// The elements, if the type is an array.
    var elements: ArrayElements?

    /// How values of the type appear in JSON.
    enum Form: Hashable, Sendable {
        /// As a number with the exact text, or as a string if there is no such number: `NaN`.
        case number
        /// As `true` or `false`.
        case boolean
        /// As the JSON that it is.
        case json
        /// As a string in PostgreSQL's text format.
        case string
    }

    /// How values of the column appear in JSON; of an array, how its elements do.
    var form: Form {
        switch elements?.typeOID ?? typeOID {
        case 20, 21, 23, 26, 700, 701, 1700: .number
        case 16: .boolean
        case 114, 3802: .json
        default: .string
        }
    }

    /// The member names of the rows' objects: each name once.
    ///
    /// A name that occurs again gets `_2`, `_3` and so on, and never one that another column has
    /// by itself.
    static func memberNames(_ columns: [ResultColumn]) -> [String] {
        let given = Set(columns.map { Array($0.name.utf8) })
        var used: Set<[UInt8]> = []
        // Where the search goes on for each name: begun anew for every column, it would take a second
        // for 1,600 of one name, in which nobody else is served.
        var next: [[UInt8]: Int] = [:]
        return columns.map { column in
            let own = Array(column.name.utf8)
            if used.insert(own).inserted { return column.name }
            var number = next[own] ?? 2
            while true {
                let name = "\(column.name)_\(number)"
                let bytes = Array(name.utf8)
                number += 1
                if !given.contains(bytes), used.insert(bytes).inserted {
                    next[own] = number
                    return name
                }
            }
        }
    }
}
