// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import dev.flk.agent.config.AgentConfig;
import java.net.URI;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;

/** Looks at everything; the configuration could be read, or there would be none of this. */
public final class Doctor {
    private Doctor() {}

    /** Looks, at most for some time-outs; endpoint and key must have been asked for. */
    public static List<Finding> look(AgentConfig config, InstantSource clock) throws InterruptedException {
        List<Finding> found = new ArrayList<>();
        found.add(Finding.good("settings", "can be read"));
        found.addAll(new Places(config).look());
        for (URI endpoint : config.endpoints()) {
            found.addAll(new BackendLook(config, endpoint, clock).look());
        }
        return found;
    }
}
