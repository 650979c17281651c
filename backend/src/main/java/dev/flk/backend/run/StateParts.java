// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.outcomes.record.RecordImport;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Opens the state of agents. */
final class StateParts {
    private StateParts() {}

    static ServedState open(Common common, StateConfig config, @Nullable ReloadedTls tls) throws IOException {
        Duration recordHistory = common.config().record().history();
        ServedState state = common.parts()
                .opened(ServedState.open(
                        config,
                        common.steady(),
                        common.steady().expiry(),
                        tls,
                        common.audit(),
                        common.metrics().state,
                        common.metrics().pool));
        common.reloads().add(state::onReloadSignal);
        // what earlier versions recorded in the state still ends there, no later than any other history
        Duration kept =
                config.history().filter(all -> all.compareTo(recordHistory) < 0).orElse(recordHistory);
        state.keepFor(RecordImport.NAMESPACE, kept);
        state.keepFor(RecordImport.POSITIONS, kept);
        state.keepFor(Reviews.NAMESPACE, recordHistory);
        return state;
    }
}
