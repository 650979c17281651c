// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** Tests of the help of every command. */
class HelpTest {
    @TempDir
    Path directory;

    private static CommandLine program() {
        PrintStream nowhere = new PrintStream(PrintStream.nullOutputStream());
        return new FlkAgent(Map.of(), InputStream.nullInputStream(), nowhere, nowhere).commandLine();
    }

    static Stream<List<String>> commands() {
        List<List<String>> commands = new ArrayList<>();
        collect(program(), List.of(), commands);
        return commands.stream();
    }

    private static void collect(CommandLine command, List<String> path, List<List<String>> commands) {
        commands.add(path);
        command.getSubcommands().forEach((name, sub) -> {
            List<String> subPath = new ArrayList<>(path);
            subPath.add(name);
            collect(sub, subPath, commands);
        });
    }

    private static CommandLine at(List<String> path) {
        CommandLine command = program();
        for (String name : path) {
            command = command.getSubcommands().get(name);
        }
        return command;
    }

    @ParameterizedTest
    @MethodSource("commands")
    void help_fitsATerminal_andListsEachCommandOnOneLine(List<String> command) {
        List<String> line = new ArrayList<>(command);
        line.add("--help");

        Ended help = new Cli(directory).run(line.toArray(String[]::new));

        assertThat(help.exitCode()).isZero();
        assertThat(help.err()).isEmpty();
        assertThat(help.out()).contains("Usage: " + String.join(" ", concat("flk-agent", command)) + " ");
        assertThat(at(command).getSubcommands().values()).allSatisfy(sub -> {
            String header = String.join("", sub.getCommandSpec().usageMessage().header());
            assertThat(header).isNotEmpty();
            assertThat(help.out().lines().map(String::strip))
                    .anyMatch(text -> text.startsWith(sub.getCommandName() + " ") && text.endsWith(header));
        });
    }

    @ParameterizedTest
    @MethodSource("commands")
    void eachCommand_printsTheVersionAndRefusesAnUnknownOption(List<String> command) {
        assertThat(new Cli(directory)
                        .run(concat(command, "--version").toArray(String[]::new))
                        .out())
                .startsWith("flk-agent ");

        Ended unknown = new Cli(directory).run(concat(command, "--nonsense=x").toArray(String[]::new));

        assertThat(unknown.exitCode()).isEqualTo(2);
        assertThat(unknown.out()).isEmpty();
        assertThat(unknown.err()).startsWith("flk-agent: ").containsAnyOf("--nonsense", "Missing required");
    }

    private static List<String> concat(String first, List<String> rest) {
        List<String> all = new ArrayList<>(List.of(first));
        all.addAll(rest);
        return all;
    }

    private static List<String> concat(List<String> first, String last) {
        List<String> all = new ArrayList<>(first);
        all.add(last);
        return all;
    }
}
