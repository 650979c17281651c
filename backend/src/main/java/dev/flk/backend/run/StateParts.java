// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Opens the state of agents. */
final class StateParts {
    private StateParts() {}

    static ServedState open(Common common, StateConfig config, @Nullable ReloadedTls tls) throws IOException {
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
        state.keepFor(Reviews.NAMESPACE, common.config().record().history());
        return state;
    }
}
