// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyState;
import dev.flk.backend.keys.KeysEditor;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code keys revoke}: ends a key for good, and says what it has signed. */
@Command(
        name = "revoke",
        description = {
            "Revokes a key for good: from now on what it signs is refused. Then says what it",
            "has signed, from the log: how much, when, and for which shards.",
            "",
            "What it has signed before is left as it was recorded. A key that was revoked",
            "before is only told about.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:it is revoked",
            "1:there is no such key; or it is revoked, and the log can't be read",
            "2:wrong usage or configuration"
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysRevokeCommand implements Callable<Integer> {
    private final WalSource log;

    @Mixin
    private final KeysSource source;

    @Parameters(paramLabel = "KEY", description = "The id of the key.")
    private String id = "";

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "Directory of the log; without it that of the configuration (WAL_DIR).")
    private @Nullable Path dir;

    @Option(names = "--list", description = "First the id of each certificate that it has signed, one a line.")
    private boolean list;

    @Option(names = "--dry-run", description = "Only says what it has signed.")
    private boolean dryRun;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private final AuditedCommands audit;

    KeysRevokeCommand(KeysSource source, WalSource log, AuditedCommands audit) {
        this.source = source;
        this.audit = audit;
        this.log = log;
    }

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        KeysRetireCommand.in(KeyState.REVOKED, id, source.entries());
        if (!dryRun) {
            source.edit(new KeysEditor(source.path()), keys -> KeysRetireCommand.in(KeyState.REVOKED, id, keys));
            audit.done("key_revoked", dir, err, "key", id, "file", source.path().toString());
            // beside the ids, which are for programs
            (list ? err : out).println("key " + id + " is revoked");
            (list ? err : out).flush();
        }
        log.dir = dir;
        log.requireLog();
        SignedByKey signed = new SignedByKey(id);
        signed.read(log.inspector(), out, list);
        out.flush();
        (list ? err : out).print(signed.text());
        (list ? err : out).flush();
        return ExitCode.OK;
    }
}
