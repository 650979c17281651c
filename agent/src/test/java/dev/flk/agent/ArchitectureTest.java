// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.GeneralCodingRules;
import dev.flk.agent.follow.Positions;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.program.cli.InertWriter;
import java.io.FileDescriptor;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArchitectureTest {
    private static final JavaClasses AGENT = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.flk.agent");

    @Test
    void packages_dependOnEachOther_withoutCycles() {
        slices().matching("dev.flk.agent.(*)..").should().beFreeOfCycles().check(AGENT);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "csv     | certify,follow,outbox,send,source,control,run,cli,config,metrics",
                "certify | follow,outbox,send,source,control,run,cli,config,metrics",
                "follow  | outbox,send,source,control,run,cli,config,metrics",
                "outbox  | certify,send,source,control,run,cli,config,metrics",
                "source  | certify,send,control,run,cli,config,metrics",
                "send    | certify,source,control,run,cli,config",
                "control | certify,send,run,cli,config,metrics",
                "metrics | certify,outbox,send,source,control,run,cli,config",
                "config  | run,doctor,cli",
                "run     | certify,doctor,cli",
                "doctor  | certify,run,cli,metrics",
            })
    void package_dependsOnlyOnAllowedPackages(String of, String forbidden) {
        String[] packages = java.util.Arrays.stream(forbidden.split(","))
                .map(name -> "dev.flk.agent." + name + "..")
                .toArray(String[]::new);

        noClasses()
                .that()
                .resideInAPackage("dev.flk.agent." + of + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(packages)
                .check(AGENT);
    }

    /** A producer may exchange its files for FIFOs, and for links to files that only the agent may read. */
    @Test
    void filesOfOtherPrograms_areOpenedOnlyByTheirForeignFolder() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.flk.agent.follow..", "dev.flk.agent.source..")
                .and()
                .doNotBelongToAnyOf(Positions.class, SourcesFile.class)
                .should()
                .callMethod(Files.class, "newInputStream", Path.class, OpenOption[].class)
                .orShould()
                .callMethod(FileChannel.class, "open", Path.class, OpenOption[].class)
                .check(AGENT);
    }

    @Test
    void certify_isPure_exceptForTheStreamItReads() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.flk.agent.csv..", "dev.flk.agent.certify..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "java.nio.file..", "java.net..", "java.util.concurrent..", "org.slf4j..", "dev.flk.wal..")
                .check(AGENT);
    }

    @Test
    void netty_isUsedOnlyByTheServersAndTheTlsConfiguration() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.flk.agent.control..")
                .and()
                .haveSimpleNameNotEndingWith("Tls")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.netty..")
                .check(AGENT);
    }

    @Test
    void wal_isUsedOnlyByTheOutbox() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.flk.agent.outbox..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.flk.wal..")
                .check(AGENT);
    }

    /** Checks that commands print to an {@link InertWriter}, on which no text can control a terminal. */
    @Test
    void nothingElse_writesToStandardStreams() {
        noClasses()
                .that()
                .doNotHaveFullyQualifiedName("dev.flk.agent.cli.Main")
                .should(GeneralCodingRules.ACCESS_STANDARD_STREAMS)
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(FileDescriptor.class)
                .check(AGENT);
    }
}
