// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyState;
import dev.flk.backend.keys.KeysEditor;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code keys retire}: says that a key is to be given up. */
@Command(
        name = "retire",
        description = {
            "Marks a key as retiring. It may still sign; flk_retiring_key_submissions_total",
            "counts who has not changed to another one yet.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysRetireCommand implements Callable<Integer> {
    @Mixin
    private final KeysSource source;

    @Parameters(paramLabel = "KEY", description = "The id of the key.")
    private String id = "";

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private final AuditedCommands audit;

    KeysRetireCommand(KeysSource source, AuditedCommands audit) {
        this.source = source;
        this.audit = audit;
    }

    @Override
    public Integer call() throws IOException {
        source.edit(new KeysEditor(source.path()), keys -> in(KeyState.RETIRING, id, keys));
        audit.done(
                "key_retired",
                null,
                spec.commandLine().getErr(),
                "key",
                id,
                "file",
                source.path().toString());
        spec.commandLine().getOut().println("key " + id + " is retiring");
        spec.commandLine().getOut().flush();
        return ExitCode.OK;
    }

    /** The same keys, one of them in another state. */
    static List<KeyEntry> in(KeyState state, String id, List<KeyEntry> keys) throws IOException {
        if (keys.stream().noneMatch(key -> key.id().equals(id))) {
            throw new IOException("there is no key " + ListedKey.quoted(id) + "; 'keys list' shows them all");
        }
        if (state != KeyState.REVOKED
                && keys.stream().anyMatch(key -> key.id().equals(id) && key.state() == KeyState.REVOKED)) {
            throw new IOException("key " + id + " was revoked, which is for good; add another one");
        }
        return keys.stream()
                .map(key -> key.id().equals(id) ? key.in(state) : key)
                .toList();
    }
}
