// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.OutboxCheck;
import dev.flk.agent.outbox.OutboxCheck.Found;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "fsck",
        header = "Look whether all of the outbox is there; set aside what is not whole.",
        description = {
            "Reads the whole outbox, every checksum, and says exactly which records are",
            "gone. Damaged files are copied to *.broken* ones and then mended: every whole",
            "record stays. Beside a running agent, and with --dry-run, it only looks; the",
            "agent skips damage by itself. Exit code 1 if something is gone."
        })
final class FsckCommand implements Callable<Integer> {
    private final Context context;

    @Option(names = "--dry-run", description = "Only look.")
    private boolean dryRun;

    FsckCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config();
        OutboxCheck check = new OutboxCheck(config.outbox().directory());
        Found found = check.look();
        context.out().println(config.outbox().directory() + ": " + found.records() + " whole records");
        found.givenUp().forEach(line -> context.out().println("given up before: " + line));
        if (found.tornBytes() > 0) {
            context.out()
                    .println(found.tornBytes() + " bytes at the end are not whole: a crash has left them, or a running"
                            + " agent is writing");
        }
        if (found.isWhole()) {
            return 0;
        }
        found.missing().forEach(line -> context.out().println(line));
        context.out().println(found.missingRecords() + " records are gone");
        if (!dryRun) {
            List<String> setAside = check.repair();
            setAside.forEach(file -> context.out().println("set aside: " + file));
            context.out().println("the outbox is whole now, without them");
        }
        return 1;
    }
}
