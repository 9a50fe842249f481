/// Which disturbance comes next.
extension History {
    /// Whether somebody asks for the status now, and where; who has begun to look goes on.
    func question() -> Disturbance? {
        guard teller.curiosity.percent(40) else { return nil }
        if state.observer != nil { return .lookOn }
        let number = teller.curiosity.below(state.lives.count + 1)
        return .ask(life: number < state.lives.count ? state.lives[number].number : nil)
    }

    mutating func disturbance() -> Disturbance {
        let branch = teller.random.below(state.world.sites.count)
        var life = 0
        if !state.lives.isEmpty {
            life = state.lives[teller.random.below(state.lives.count)].number
        }
        switch teller.random.below(20) {
        case 0, 1: return .crash(life: life)
        case 2: return .rollbackRequest(life: life)
        case 3: return .deadlineElsewhere
        case 4:
            guard teller.random.percent(40) else {
                return .failOver(losesRow: teller.random.percent(40))
            }
            return .meddle(branch: branch, commits: teller.random.percent(50))
        case 5: return teller.random.percent(30) ? .restore(branch: branch) : .removeJournalRow
        case 6, 7, 8: return .unheardRuns(branch: branch)
        case 9:
            // A session that its client still listens to has no reason to end.
            let isHeard = state.world.sites[branch].session == .holds && state.index(of: 0) != nil
            return isHeard ? .scanLists : .unheardEnds(branch: branch)
        case 10, 11:
            let votes = state.index(of: life).map { state.lives[$0].votes.count } ?? 0
            guard votes > 0 else { return .removeJournalRow }
            return .echo(life: life, vote: teller.random.below(votes))
        case 12, 13: return .scanLists
        case 14, 15: return .scanActs
        case 16: return .failOver(losesRow: teller.random.percent(20))
        default: return state.lives.count < 3 ? .takeOver : .scanActs
        }
    }
}
