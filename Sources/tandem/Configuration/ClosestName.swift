/// The known name that was probably meant by `name`, if one is close enough.
func closest(to name: String, among names: [String]) -> String? {
    let limit = max(1, name.count / 3)
    return
        names
        .map { (name: $0, distance: editDistance(name.lowercased(), $0.lowercased())) }
        .filter { $0.distance <= limit }
        .min { $0.distance < $1.distance }?.name
}

/// How many letters must be inserted, removed, changed or swapped with a neighbour to turn one text
/// into the other.
private func editDistance(_ one: String, _ other: String) -> Int {
    let one = Array(one)
    let other = Array(other)
    var beforeLast: [Int] = []
    var last = Array(0...other.count)
    for row in 0..<one.count {
        var current = [row + 1]
        for column in 0..<other.count {
            let isEqual = one[row] == other[column]
            var best = min(
                last[column + 1] + 1, current[column] + 1, last[column] + (isEqual ? 0 : 1))
            if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
                best = min(best, beforeLast[column - 1] + 1)
            }
            current.append(best)
        }
        beforeLast = last
        last = current
    }
    return last[other.count]
}
