// Ordinary work with imapflow; prints what it saw as JSON. Arguments: port, path of a message to deliver during IDLE.
const { ImapFlow } = require('imapflow');
const fs = require('fs');

async function connected(port) {
    const client = new ImapFlow({
        host: '127.0.0.1', port, secure: false, qresync: true, logger: false, tls: { rejectUnauthorized: false },
        auth: { user: 'alice@example.test', pass: 'secret' }
    });
    await client.connect();
    return client;
}

// A client that was away learns what another one did: VANISHED (EARLIER) and FETCH at SELECT, CHANGEDSINCE later.
async function resynchronised(port, client) {
    await client.mailboxOpen('INBOX');
    const known = { changedSince: client.mailbox.highestModseq, uidValidity: client.mailbox.uidValidity };
    await client.mailboxClose();
    const other = await connected(port);
    await other.mailboxOpen('INBOX');
    await other.messageFlagsAdd('2', ['\\Answered'], { uid: true });
    await other.messageDelete('5', { uid: true });
    await other.logout();
    const seen = { vanished: [], flags: [] };
    client.on('expunge', event => seen.vanished.push([event.uid, event.vanished, event.earlier]));
    client.on('flags', event => seen.flags.push([event.uid, [...event.flags].sort(), event.modseq > known.changedSince]));
    await client.mailboxOpen('INBOX', known);
    seen.qresync = client.mailbox.qresync;
    seen.changed = [];
    for await (const message of client.fetch('1:*', { uid: true }, { uid: true, changedSince: known.changedSince })) {
        seen.changed.push(message.uid);
    }
    seen.refused = await client.messageFlagsAdd('2', ['$Late'], { uid: true, unchangedSince: known.changedSince });
    seen.kept = [...(await client.fetchOne('2', { flags: true }, { uid: true })).flags].sort();
    return seen;
}

async function main(port, arrival) {
    const client = await connected(port);
    const seen = { enabled: [...client.enabled].sort(), compressed: !!client._inflate };
    await client.mailboxOpen('INBOX');
    seen.mailbox = [client.mailbox.exists, String(client.mailbox.uidValidity), client.mailbox.mailboxId];
    const pushed = new Promise(resolve => client.once('exists', resolve));
    const idle = client.idle();
    fs.writeFileSync(arrival, 'Subject: pushed\n\nx\n');
    seen.pushed = (await pushed).count;
    seen.messages = [];
    const query = { uid: true, flags: true, envelope: true, bodyStructure: true, size: true, threadId: true };
    for await (const message of client.fetch('1:3', query)) {
        seen.messages.push([message.uid, [...message.flags], message.envelope.subject, message.size, !!message.modseq,
            message.bodyStructure.type]);
    }
    await idle;
    seen.unseen = await client.search({ seen: false });
    seen.appended = (await client.append('INBOX', 'Subject: mine\r\n\r\nhello\r\n', ['\\Seen'])).uid;
    await client.messageFlagsAdd('1', ['\\Flagged']);
    seen.moved = [...(await client.messageMove('1', 'Archive')).uidMap];
    seen.archive = (await client.status('Archive', { messages: true })).messages;
    await client.mailboxCreate('Größe');
    seen.uses = (await client.list()).map(entry => [entry.path, entry.specialUse || '']).sort();
    seen.resynchronised = await resynchronised(port, client);
    await client.logout();
    console.log(JSON.stringify(seen));
}

main(parseInt(process.argv[2], 10), process.argv[3]).catch(error => {
    console.error(error);
    process.exit(1);
});
