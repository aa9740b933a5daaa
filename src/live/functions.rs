//! Functions by address: pclntab, as runtime/symtab.go and runtime/symtabinl.go read it.

use super::memory::{Reader, half};
use super::program::{Architecture, Image, Table};
use crate::goroutines::Frame;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// Bits of `_func.flag`: nothing calls it; it writes the stack pointer in ways that no table tells.
const TOP_FRAME: u8 = 1;
const WRITES_SP: u8 = 2;

/// Which tables of a function are which: PCDATA and FUNCDATA of internal/abi/symtab.go.
const INLINE_INDEX: usize = 2;
const LIVE_INDEX: usize = 3;
const INLINE_TREE: usize = 3;
const ARGUMENTS: usize = 5;
const LIVE_ARGUMENTS: usize = 6;

/// A function has some ten of such tables.
const MOST_TABLES: usize = 64;
/// Calls that were inlined into one another.
const DEEPEST: usize = 64;
/// What is kept of a name. Generic functions have long ones.
const LONGEST_NAME: usize = 4096;
/// So many places are kept.
const KEPT: usize = 1 << 15;
/// What describes the arguments of a function (abi.TraceArgsMaxLen).
const LONGEST_ARGUMENTS: usize = 128;
/// So many functions are looked at to find out where go:func.* is.
const SAMPLE: u64 = 4096;
const ENOUGH: u32 = 16;

/// All functions of a program.
pub(super) struct Functions {
    image: Image,
    pub(super) architecture: Architecture,
    /// go:func.*, which the tables called FUNCDATA are relative to.
    extra: u64,
    /// The number of functions that only the compiler knows (FuncIDWrapper).
    wrapper: u8,
    places: RefCell<Places>,
}

/// What has been looked at: by twice the program counter, and one more where that is not where a call returns to.
#[derive(Default)]
struct Places {
    known: BTreeMap<u64, usize>,
    all: Vec<Rc<Place>>,
}

/// A description of a function.
struct Function {
    entry: u64,
    name: u32,
    sp_values: u32,
    file_values: u32,
    line_values: u32,
    unit: u32,
    id: u8,
    flag: u8,
    pc_tables: Vec<u32>,
    extra_tables: Vec<u32>,
}

/// A frame of a stack, and what decides whether a dump shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) frame: Frame,
    /// Its caller's code has been put into the place of the call.
    pub(super) inlined: bool,
    /// The compiler wrote it.
    pub(super) wrapper: bool,
}

/// All that a program counter tells.
#[derive(Debug)]
pub(super) struct Place {
    /// From the innermost, at least one.
    pub(super) calls: Vec<Call>,
    /// How far the stack pointer is below where it was when the function was called; none where nobody knows.
    pub(super) depth: Option<u64>,
    /// From the entry of the function.
    pub(super) offset: u64,
    pub(super) ends: Ends,
    /// The function, by the name of what was not inlined.
    pub(super) kind: Kind,
    /// Where its arguments are, as `abi.TraceArgs…`.
    pub(super) arguments: Vec<u8>,
    live: Vec<u8>,
    live_index: i32,
}

/// Whether a stack goes on above a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    No,
    /// It is the first of all.
    Yes,
    /// Nobody knows where its caller is, unless it has just been called.
    Unknown,
}

/// Functions that are not called as others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// The kernel's signal seems to have called it: its caller is at the very instruction.
    Injected,
    /// A goroutine waits for the first argument of this one.
    Waits,
}

impl Functions {
    pub(super) fn new(
        memory: &Reader<'_>,
        image: &Image,
        architecture: Architecture,
        minor: Option<u32>,
    ) -> Result<Functions, String> {
        let mut functions =
            Functions { image: image.clone(), architecture, extra: 0, wrapper: 0, places: RefCell::default() };
        let candidates = functions.image.rest.clone();
        let found = candidates.into_iter().filter(|word| *word != 0).find(|word| functions.has_trees_at(memory, *word));
        functions.extra =
            found.ok_or("its table of inlined calls (go:func.*) cannot be found: an unknown version of Go?")?;
        functions.wrapper = match minor {
            Some(18..=21) => 21,
            Some(22..=24) => 22,
            Some(25..=27) => 23,
            // The last in the list of those that the runtime knows by number.
            _ => functions.highest_id(memory),
        };
        Ok(functions)
    }

    /// Whether the trees of inlined calls of the first functions make sense if they are there. Zeros do not, though 0 is the number of
    /// a name.
    fn has_trees_at(&self, memory: &Reader<'_>, extra: u64) -> bool {
        let mut good = 0;
        for at in 0..self.count().min(SAMPLE) {
            let Some(function) = self.function(memory, at) else { return false };
            let Some(tree) = function.extra(INLINE_TREE).filter(|_| function.pc_table(INLINE_INDEX).is_some()) else {
                continue;
            };
            let Some(tree) = extra.checked_add(tree.into()) else { return false };
            let Some(Node { name, parent, line, .. }) = self.node(memory, tree, 0) else { return false };
            // The name has a beginning: what is before it is the end of another.
            let begins = name == 0
                || self.image.names.at(u64::from(name) - 1).and_then(|at| memory.fixed_array::<1>(at)) == Some([0]);
            let text = self.image.names.at(name.into()).and_then(|at| memory.fixed_text(at, LONGEST_NAME));
            let within = self.entry(memory, at + 1).and_then(|(next, _)| next.checked_sub(function.entry));
            let is_within = within.is_some_and(|size| u64::from(parent) < size);
            let has_line = (1..1 << 24).contains(&line);
            if !begins || !text.is_some_and(|text| text.contains('.')) || !is_within || !has_line {
                return false;
            }
            good += 1;
            if good >= ENOUGH {
                break;
            }
        }
        good > 0
    }

    fn highest_id(&self, memory: &Reader<'_>) -> u8 {
        let ids = (0..self.count()).filter_map(|at| self.function(memory, at)).map(|function| function.id);
        ids.filter(|id| *id < 64).max().unwrap_or(0)
    }

    /// The last entry of the index only says where the text ends.
    fn count(&self) -> u64 {
        (self.image.index.length / 8).saturating_sub(1)
    }

    fn entry(&self, memory: &Reader<'_>, at: u64) -> Option<(u64, u32)> {
        let pair = memory.fixed_array::<8>(self.image.index.at(at.checked_mul(8)?)?)?;
        Some((self.image.text.start.checked_add(half(&pair, 0)?.into())?, half(&pair, 4)?))
    }

    /// A function by its number.
    fn function(&self, memory: &Reader<'_>, at: u64) -> Option<Function> {
        let (entry, offset) = self.entry(memory, at)?;
        let address = self.image.functions.at(offset.into())?;
        let size = if self.image.is_old { 40 } else { 44 };
        let mut head = [0; 44];
        memory.fixed(address, head.get_mut(..size)?)?;
        let [id, flag, _, extras] = *head.get(size - 4..size)?.first_chunk::<4>()?;
        let tables = usize::try_from(half(&head, 28)?).ok().filter(|count| *count <= MOST_TABLES)?;
        let mut halves = vec![0; (tables + usize::from(extras)) * 4];
        memory.fixed(address.checked_add(size as u64)?, &mut halves)?;
        let mut pc_tables: Vec<u32> = halves.as_chunks().0.iter().map(|half| u32::from_le_bytes(*half)).collect();
        let extra_tables = pc_tables.split_off(tables.min(pc_tables.len()));
        let there = self.image.text.start.checked_add(half(&head, 0)?.into())?;
        (there == entry).then_some(Function {
            entry,
            name: half(&head, 4)?,
            sp_values: half(&head, 16)?,
            file_values: half(&head, 20)?,
            line_values: half(&head, 24)?,
            unit: half(&head, 32)?,
            id,
            flag,
            pc_tables,
            extra_tables,
        })
    }

    /// The variables that begin with zeros, with addresses in them and without.
    pub(super) fn bss(&self) -> [Range<u64>; 2] {
        [self.image.bss.clone(), self.image.plain_bss.clone()]
    }

    /// Whether an address is one of code.
    pub(super) fn is_text(&self, address: u64) -> bool {
        self.image.text.contains(&address)
    }

    /// The function that holds a program counter.
    fn holding(&self, memory: &Reader<'_>, pc: u64) -> Option<Function> {
        self.is_text(pc).then_some(())?;
        let (mut low, mut high) = (0, self.count());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.entry(memory, middle)?.0 <= pc {
                true => low = middle,
                false => high = middle,
            }
        }
        self.function(memory, low).filter(|function| function.entry <= pc)
    }

    /// What is there. `trapped`: the program counter is not where a call returns to.
    pub(super) fn place(&self, memory: &Reader<'_>, pc: u64, trapped: bool) -> Option<Rc<Place>> {
        let key = pc << 1 | u64::from(trapped);
        let known = self.places.borrow().known.get(&key).copied();
        if let Some(known) = known {
            return self.places.borrow().all.get(known).cloned();
        }
        // What could not be read is not remembered: the next time it may be there.
        let place = Rc::new(self.holding(memory, pc).and_then(|function| self.look(memory, &function, pc, trapped))?);
        let mut places = self.places.borrow_mut();
        if places.all.len() >= KEPT {
            *places = Places::default();
        }
        let at = places.all.len();
        places.known.insert(key, at);
        places.all.push(place.clone());
        Some(place)
    }

    fn look(&self, memory: &Reader<'_>, function: &Function, pc: u64, trapped: bool) -> Option<Place> {
        let symbol = if trapped || pc <= function.entry { pc } else { pc - 1 };
        let calls = self.calls(memory, function, symbol)?;
        let name = calls.last()?.frame.function.as_str();
        let ends = match function.flag {
            flag if flag & TOP_FRAME != 0 => Ends::Yes,
            // It arranges for both stacks to have its frame.
            flag if flag & WRITES_SP != 0 && name != "runtime.cgocallback" => Ends::Unknown,
            _ => Ends::No,
        };
        let kind = match name {
            "runtime.asyncPreempt" | "runtime.sigpanic" | "runtime.debugCallV2" => Kind::Injected,
            _ if crate::goroutines::waits_on_its_argument(name.as_bytes()) => Kind::Waits,
            _ => Kind::Plain,
        };
        let extra = |which, most: usize| {
            let table = function.extra(which).and_then(|offset| self.extra.checked_add(offset.into()));
            let mut bytes = vec![0; most];
            let read = table.map_or(0, |at| memory.fixed(at, &mut bytes).map_or(0, |()| most));
            bytes.truncate(read);
            bytes
        };
        let depth = self.value(memory, function.sp_values, function.entry, pc);
        let live_index = function.pc_table(LIVE_INDEX).map(|table| self.value(memory, table, function.entry, symbol));
        Some(Place {
            calls,
            depth: depth.and_then(|depth| u64::try_from(depth).ok()).filter(|_| function.sp_values != 0),
            offset: pc - function.entry,
            ends,
            kind,
            arguments: extra(ARGUMENTS, LONGEST_ARGUMENTS),
            live: extra(LIVE_ARGUMENTS, 32),
            live_index: live_index.flatten().unwrap_or(-1),
        })
    }

    /// The calls at a place, those that were inlined first.
    fn calls(&self, memory: &Reader<'_>, function: &Function, symbol: u64) -> Option<Vec<Call>> {
        let tree = function.extra(INLINE_TREE).and_then(|offset| self.extra.checked_add(offset.into()));
        let mut calls = Vec::new();
        let mut at = symbol;
        if let Some((tree, indices)) = tree.zip(function.pc_table(INLINE_INDEX)) {
            while let Some(index) = self.value(memory, indices, function.entry, at).filter(|index| *index >= 0) {
                let node = self.node(memory, tree, u64::try_from(index).ok()?)?;
                (calls.len() < DEEPEST).then_some(())?;
                calls.push(self.call(memory, function, node.name, at, node.id, true)?);
                at = function.entry.checked_add(node.parent.into())?;
            }
        }
        calls.push(self.call(memory, function, function.name, at, function.id, false)?);
        Some(calls)
    }

    fn call(
        &self,
        memory: &Reader<'_>,
        function: &Function,
        name: u32,
        at: u64,
        id: u8,
        inlined: bool,
    ) -> Option<Call> {
        let name = memory.fixed_text(self.image.names.at(name.into())?, LONGEST_NAME)?;
        let (file, line) = self.line(memory, function, at).unwrap_or_else(|| ("?".to_owned(), 0));
        let wrapper = id == self.wrapper;
        Some(Call { frame: Frame { function: printed(&name), file, line }, inlined, wrapper })
    }

    fn line(&self, memory: &Reader<'_>, function: &Function, at: u64) -> Option<(String, u32)> {
        let file = self.value(memory, function.file_values, function.entry, at)?;
        let line = self.value(memory, function.line_values, function.entry, at)?;
        let unit = u64::from(function.unit).checked_add(u64::try_from(file).ok()?)?;
        let offset = memory.fixed_array::<4>(self.image.units.at(unit.checked_mul(4)?)?)?;
        let name = memory.fixed_text(self.image.files.at(u32::from_le_bytes(offset).into())?, LONGEST_NAME)?;
        // As in names of functions, there are none but in memory that is broken.
        Some((name.replace(char::is_control, "?"), u32::try_from(line).ok()?))
    }

    /// A value that depends on the program counter, out of its table: pcvalue in runtime/symtab.go.
    fn value(&self, memory: &Reader<'_>, offset: u32, entry: u64, target: u64) -> Option<i32> {
        let mut bytes =
            Varints { memory, table: &self.image.pc_values, at: offset.into(), piece: [0; 64], from: 0, to: 0 };
        let (mut value, mut pc) = (-1i32, entry);
        (offset != 0).then_some(())?;
        loop {
            let change = bytes.next()?;
            if change == 0 && pc != entry {
                return None;
            }
            let change = if change & 1 == 0 { change >> 1 } else { !(change >> 1) };
            value = value.wrapping_add(change as i32);
            pc = pc.checked_add(u64::from(bytes.next()?) * self.image.quantum)?;
            if target < pc {
                return Some(value);
            }
        }
    }

    /// An inlined call: whose, and where in the function its caller's code goes on.
    fn node(&self, memory: &Reader<'_>, tree: u64, index: u64) -> Option<Node> {
        let at = |size: u64| tree.checked_add(index.checked_mul(size)?);
        if self.image.is_old {
            // parent int16, funcID uint8, file, line, func_, parentPc int32
            let bytes = memory.fixed_array::<20>(at(20)?)?;
            let (line, name, parent) = (half(&bytes, 8)?, half(&bytes, 12)?, half(&bytes, 16)?);
            return Some(Node { id: bytes[2], name, parent, line });
        }
        // funcID uint8, nameOff, parentPc, startLine int32
        let bytes = memory.fixed_array::<16>(at(16)?)?;
        Some(Node { id: bytes[0], name: half(&bytes, 4)?, parent: half(&bytes, 8)?, line: half(&bytes, 12)? })
    }

    /// The function with a `go` statement, and where that is: printcreatedby1 in runtime/traceback.go.
    pub(super) fn creator(&self, memory: &Reader<'_>, pc: u64) -> Option<(Frame, u64)> {
        let place = self.place(memory, pc, false)?;
        // The line is that of the statement, also where its function is inlined in the one that is named.
        let (inner, outer) = (place.calls.first()?, place.calls.last()?);
        Some((Frame { function: outer.frame.function.clone(), ..inner.frame.clone() }, place.offset))
    }
}

struct Node {
    id: u8,
    name: u32,
    parent: u32,
    /// Of the call, or of the function that was inlined: never 0.
    line: u32,
}

impl Function {
    fn pc_table(&self, which: usize) -> Option<u32> {
        self.pc_tables.get(which).copied().filter(|offset| *offset != 0)
    }

    fn extra(&self, which: usize) -> Option<u32> {
        self.extra_tables.get(which).copied().filter(|offset| *offset != u32::MAX)
    }
}

impl Place {
    /// Whether what lies in an argument's place is the argument. `slot` counts those that came in registers.
    pub(super) fn is_live(&self, offset: u8, slot: usize) -> bool {
        let Some(first) = self.live.first().filter(|_| self.live_index > 0) else { return true };
        let bits = usize::try_from(self.live_index).ok().and_then(|at| self.live.get(at + slot / 8));
        offset < *first || bits.is_some_and(|bits| bits >> (slot % 8) & 1 != 0)
    }

    /// From where on arguments came in registers.
    pub(super) fn first_in_registers(&self) -> u8 {
        self.live.first().copied().unwrap_or(u8::MAX)
    }
}

/// Numbers of seven bits a byte, the lowest first.
struct Varints<'a> {
    memory: &'a Reader<'a>,
    table: &'a Table,
    at: u64,
    piece: [u8; 64],
    from: usize,
    to: usize,
}

impl Varints<'_> {
    fn byte(&mut self) -> Option<u8> {
        if self.from == self.to {
            let left = self.table.length.checked_sub(self.at).filter(|left| *left > 0)?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece.len());
            self.memory.fixed(self.table.at(self.at)?, self.piece.get_mut(..count)?)?;
            (self.from, self.to) = (0, count);
            self.at += count as u64;
        }
        self.from += 1;
        self.piece.get(self.from - 1).copied()
    }

    fn next(&mut self) -> Option<u32> {
        let mut number = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// A name as the runtime prints it: the types of a generic function are left out (funcNamePiecesForPrint).
pub(super) fn printed(name: &str) -> String {
    if name == "runtime.gopanic" {
        return "panic".to_owned();
    }
    let mut text = String::with_capacity(name.len());
    let mut depth = 0u32;
    for c in name.chars() {
        match c {
            // Only in memory that is broken.
            c if c.is_control() => text.push('?'),
            '[' if depth == 0 => {
                text.push_str("[...]");
                depth = 1;
            }
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            _ if depth == 0 => text.push(c),
            _ => {}
        }
    }
    if depth == 0 { text } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::memory::Memory;
    use crate::live::recording::Recording;

    /// In a program without plugins any word of moduledata may point to zeros. 0 is the number of a name too.
    #[test]
    fn zeros_are_no_trees_of_inlined_calls() {
        const ZEROS: u64 = 1 << 46;
        let recording = Recording::parse(include_bytes!("../../tests/live/recorded/amd64.recording"));
        let memory = |address: u64, buffer: &mut [u8]| match address >= ZEROS {
            true => {
                buffer.fill(0);
                buffer.len()
            }
            false => recording.read(address, buffer),
        };
        let found = recording.look_at(&memory, |program| {
            let Functions { image, architecture, extra, .. } = &program.functions;
            assert!(memory_text(program, 0).contains('.'), "the first name has to be one that counts");
            let mut image = image.clone();
            image.rest.insert(0, ZEROS);
            Ok((Functions::new(&program.memory, &image, *architecture, Some(27))?.extra, *extra))
        });
        let (extra, wanted) = found.unwrap();
        assert_eq!(extra, wanted);
    }

    fn memory_text(program: &crate::live::Program<'_>, name: u64) -> String {
        program.memory.fixed_text(program.functions.image.names.at(name).unwrap(), LONGEST_NAME).unwrap()
    }
}
