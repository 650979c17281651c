// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.doctor.Doctor;
import dev.flk.program.cli.Printable;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

@Command(
        name = "doctor",
        header = "Look for problems that may stop the agent, and say what to do.",
        description = {
            "Checks settings, key, files, disk, the running agent, and each backend: whether",
            "it is reachable and trusted, its clock, and whether it knows the key (by a",
            "certificate that it rejects and does not store). Exit code 1 if a check fails,",
            "2 if the settings are invalid."
        })
final class DoctorCommand implements Callable<Integer> {
    private final Context context;

    DoctorCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config(Need.ENDPOINT, Need.SIGNING);
        List<Finding> findings = Doctor.look(config, InstantSource.system());
        findings.forEach(finding -> context.say(describe(finding)));
        boolean bad = findings.stream().anyMatch(finding -> finding.grade() == Grade.BAD);
        context.out().println(bad ? "problems found, see above" : "no problems found");
        return bad ? 1 : 0;
    }

    private static String describe(Finding finding) {
        String grade = switch (finding.grade()) {
            case GOOD -> "ok  ";
            case DOUBTFUL -> "?   ";
            case BAD -> "BAD ";
        };
        return grade + finding.subject() + ": " + Printable.of(finding.text());
    }
}
