use counterfoil_sim::rivals::*;
fn main(){
  let n: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
  let t=counterfoil_clock::now();
  let c=Contest::hold(0..n,|s,h|eprintln!("{s} {h} {:.1}", counterfoil_clock::now().since(t) as f64/1e9));
  let show=|name:&str,t:&Tally|{println!("  {name:22} false {} missed {}/{} unjudged {}/{} judgedw {}/{} undet {} p50 {:?} p99 {:?} r/w {:.3}",t.false_alarms,t.missed(),t.planted(),t.unjudged_keys,t.keys,t.judged_writes,t.writes,t.undetermined_writes,t.found_within(0.5).map(|x|x/1000000),t.found_within(0.99).map(|x|x/1000000),t.reads as f64/t.writes as f64);
   for (k,v) in &t.kinds { print!("     {k:?} {}/{} {:?};",v.found,v.planted,v.names);} println!();};
  for r in &c.rounds { println!("hot {}",r.hot_share);
    for (n,t) in RIVALS.iter().zip(&r.rivals){show(n.name,t);}
    for (e,o) in CLOCK_ERRORS.iter().zip(&r.ours){ show(&format!("opened e{}",e/1000000),&o.opened); show(&format!("confirmed ({})",o.clock_error),&o.confirmed);} }
  println!("{} {}",c.events,c.runs);
}
