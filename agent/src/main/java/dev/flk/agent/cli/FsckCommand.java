// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.OutboxCheck;
import dev.flk.agent.outbox.OutboxCheck.Found;
import dev.flk.agent.outbox.OutboxLocked;
import dev.flk.program.cli.InWords;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "fsck",
        header = "Look whether the outbox is whole; set aside what is not.",
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
        context.say(config.outbox().directory() + ": " + InWords.count(found.records(), "whole record"));
        found.givenUp().forEach(line -> context.say("given up before: " + line));
        if (found.tornBytes() > 0) {
            context.say(InWords.count(found.tornBytes(), "byte") + " at the end "
                    + (found.tornBytes() == 1 ? "is" : "are")
                    + " not whole: a crash has left that, or a running agent is writing");
        }
        if (found.isWhole()) {
            return 0;
        }
        found.missing().forEach(context::say);
        context.say(InWords.count(found.missingRecords(), "record") + (found.missingRecords() == 1 ? " is" : " are")
                + " gone");
        if (dryRun) {
            return 1;
        }
        try {
            check.repair().forEach(file -> context.say("set aside: " + file));
            context.say("the outbox is whole now, without what is gone");
        } catch (OutboxLocked e) {
            context.say(e.getMessage() + "; nothing is set aside while it runs: it skips what is gone");
        }
        return 1;
    }
}
