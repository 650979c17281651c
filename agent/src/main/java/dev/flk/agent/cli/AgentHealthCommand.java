// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.doctor.Doctor;
import dev.flk.agent.send.ClientTls;
import dev.flk.program.health.CertificateExpiry;
import dev.flk.program.health.Check;
import dev.flk.program.health.Finding;
import dev.flk.program.health.HealthCommand;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import picocli.CommandLine.Command;

@Command(
        name = "health",
        header = "Ask the agent and all that it depends on, within ten seconds.",
        description = {
            "Asks, all at once: the running agent, its files and disk, each backend, its clock",
            "and whether it knows the key, and when TLS certificates expire. Prints a line for",
            "each with the time it took. It makes the checks of doctor, except that it does",
            "not read the whole outbox. Exit code 1 if something is bad, even the settings."
        })
final class AgentHealthCommand extends HealthCommand {
    private final Context context;
    private final InstantSource clock = InstantSource.system();

    AgentHealthCommand(Context context) {
        super("flk-agent");
        this.context = context;
    }

    @Override
    protected List<Check> checks(Consumer<Finding> found) throws Exception {
        AgentConfig config = context.config(Need.ENDPOINT, Need.SIGNING);
        Doctor.settings(config).forEach(found);
        Duration usual = config.sending().requestTimeout();
        List<Check> checks = new ArrayList<>(Doctor.local(config));
        config.sending()
                .tls()
                .ifPresent(tls -> checks.add(new Check(CertificateExpiry.SUBJECT, expiry -> expiries(tls, expiry))));
        checks.addAll(Doctor.backends(config, usual.compareTo(REQUEST_TIMEOUT) < 0 ? usual : REQUEST_TIMEOUT, clock));
        return checks;
    }

    private void expiries(ClientTls tls, Consumer<Finding> found) {
        if (!tls.ownChain().isEmpty()) {
            found.accept(CertificateExpiry.ofChain("TLS_CERT", tls.ownChain(), clock.instant()));
        }
        if (!tls.authorities().isEmpty()) {
            found.accept(CertificateExpiry.ofAuthorities("TLS_CA", tls.authorities(), clock.instant()));
        }
    }
}
