// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code keys check}: all that is wrong with the file. */
@Command(
        name = "check",
        description = {
            "Reads the keys file and the secrets beside it as a backend does, and says all",
            "that is wrong with it.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:it can be used", "2:it can't, or wrong usage"},
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysCheckCommand implements Runnable {
    @Mixin
    private final KeysSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    KeysCheckCommand(KeysSource source) {
        this.source = source;
    }

    @Override
    public void run() {
        List<KeyEntry> keys = source.entries();
        PrintWriter out = spec.commandLine().getOut();
        out.println(source.path() + " can be used: " + Quantity.count(keys.size(), "key"));
        keys.stream()
                .filter(key -> key.shardPrefixes().contains(""))
                .forEach(key -> out.println("key " + key.id() + " may sign for every shard"));
        out.flush();
    }
}
